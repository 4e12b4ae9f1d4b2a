// node --conditions=@heed/source packages/rnn-baseline/src/sequence/sequence.bench.ts
import { benchmarkSequence } from "./benchmark.ts";

const { peak, kernels } = benchmarkSequence({ rounds: 60 });
console.log(`peak ${(peak.fma ?? peak.mulAdd).toFixed(1)} GFLOP/s`);
for (const { name, build, shape, gflops, ofPeak } of kernels)
  console.log(`${name} [${shape.join(", ")}] ${build}: ${gflops.toFixed(1)} GFLOP/s, ${(100 * ofPeak).toFixed(0)} % of peak`);
