// Node 24: node --conditions=@heed/source packages/kernels/src/pow/pow.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { pow } from "./pow.ts";

for (const [rows, n] of [
  [4, 1024],
  [197, 3072],
] as const) {
  const count = rows * n;
  const [a, b, out] = [allocateBlock(count * 4), allocateBlock(count * 4), allocateBlock(count * 4)];
  for (const [pointer, seed] of [
    [a, 1],
    [b, 2],
  ] as const)
    float32View().set(
      noise(count, seed).map((x) => Math.abs(x) + 0.5),
      pointer / 4,
    );
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = pow.implementation(build);
    const shape = `${build} [${rows}, ${n}]`;
    report(
      `pow ${shape}`,
      secondsOf(() => kernels.pow(a, n, 1, b, n, 1, out, rows, n)),
      count * 12,
      "GB/s",
    );
  }
}
