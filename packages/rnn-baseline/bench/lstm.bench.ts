// node --conditions=@heed/source packages/rnn-baseline/bench/lstm.bench.ts
import { noGrad, normal, randomKey, resident, scope, sum } from "@heed/tensor";
import { configure } from "@heed/kernels";
import { measurePeak } from "@heed/kernels/benchmarks";
import { report, secondsOf } from "@heed/kernels/testing";
import { LSTM } from "@heed/rnn-baseline";

configure({ threads: 1 });
const key = randomKey(1);
const { fma, mulAdd } = measurePeak();
const peak = fma ?? mulAdd;
const share = (seconds: number, flops: number) => `${((100 * flops) / seconds / 1e9 / peak).toFixed(0)} % of peak`;
for (const [B, L, I, H] of [
  [16, 196, 256, 256],
  [32, 100, 64, 128],
  [32, 64, 96, 150],
] as const) {
  const lstm = new LSTM(I, H, { key });
  const x = normal(key, [B, L, I]);
  const owner = resident([lstm, x]);
  const flops = 2 * B * L * 4 * H * (I + H);
  const forward = secondsOf(() => noGrad(() => scope(() => void lstm.forward(x))));
  report(`LSTM [${B}, ${L}, ${I}] → ${H} forward, ${share(forward, flops)}`, forward, flops, "GFLOP/s");
  const both = secondsOf(() => scope(() => sum(lstm.forward(x).output).backward()));
  report(`LSTM [${B}, ${L}, ${I}] → ${H} forward and backward, ${share(both, 3 * flops)}`, both, 3 * flops, "GFLOP/s");
  owner.release();
}
