// Node 24: node --conditions=@heed/source packages/kernels/src/logic/logic.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View, uint8View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { logic } from "./logic.ts";

for (const [rows, n] of [
  [4, 1024],
  [197, 3072],
] as const) {
  const count = rows * n;
  const [a, b, out, flags] = [allocateBlock(count * 4), allocateBlock(count * 4), allocateBlock(count * 4), allocateBlock(count)];
  for (const [pointer, seed] of [
    [a, 1],
    [b, 2],
  ] as const)
    float32View().set(
      noise(count, seed).map((x) => Math.abs(x) + 0.5),
      pointer / 4,
    );
  uint8View().set(
    noise(count, 3).map((x) => +(x > 0)),
    flags,
  );
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = logic.implementation(build);
    const shape = `${build} [${rows}, ${n}]`;
    report(
      `greater ${shape}`,
      secondsOf(() => kernels.greater(a, n, 1, b, n, 1, out, rows, n)),
      count * 9,
      "GB/s",
    );
    report(
      `where ${shape}`,
      secondsOf(() => kernels.where(flags, n, 1, a, n, 1, b, 0, 0, out, rows, n)),
      count * 9,
      "GB/s",
    );
  }
}
