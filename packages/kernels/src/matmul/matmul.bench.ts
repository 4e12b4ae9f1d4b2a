// node --conditions=@heed/source src/matmul/matmul.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { benchmarkMatmul } from "./benchmark.ts";
import { matmulScratchBytes } from "./blocking.ts";
import { matmul } from "./matmul.ts";

const { peak, kernels } = benchmarkMatmul({ rounds: 15 });
console.log(`peak: fused ${peak.fma?.toFixed(1)}, multiply and add ${peak.mulAdd.toFixed(1)} GFLOP/s`);
for (const { name, build, gflops, ofPeak } of kernels) {
  console.log(
    `${name.padEnd(16)} ${build.padEnd(8)} ${gflops.toFixed(1).padStart(6)} GFLOP/s ${(100 * ofPeak).toFixed(1).padStart(6)} % of peak`,
  );
}

// Shapes as layers, recurrences and attention heads have them.
const [a, b, c, scratch] = Array.from({ length: 4 }, () => allocateBlock(8 * 2 ** 20));
const shapes: [title: string, m: number, n: number, k: number][] = [
  ["one row", 1, 512, 512],
  ["an LSTM step", 32, 512, 128],
  ["scores of a head", 65, 65, 16],
  ["weights times values", 65, 16, 65],
  ["a layer on a batch", 2080, 128, 64],
  ["its weight gradient", 128, 64, 2080],
  ["a classifier head", 32, 10, 64],
  ["tiny", 4, 4, 4],
];
for (const build of ["relaxed", "simd"] as const) {
  const { gemm } = matmul.implementation(build);
  for (const [title, m, n, k] of shapes) {
    if (matmulScratchBytes(m, n, k) > 8 * 2 ** 20) throw new Error("internal: scratch space too small");
    for (const [layout, strides] of [
      ["NN", [k, 1, n, 1]],
      ["NT", [k, 1, 1, k]],
      ["TN", [1, m, n, 1]],
    ] as const) {
      const [rowA, columnA, rowB, columnB] = strides;
      const seconds = secondsOf(() => gemm(m, n, k, a, rowA, columnA, b, rowB, columnB, c, n, 0, scratch));
      report(`${build}: ${title}, ${m} × ${n} × ${k} ${layout}`, seconds, 2 * m * n * k, "GFLOP/s");
    }
  }
}
