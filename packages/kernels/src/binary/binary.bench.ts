// Node 24: node --conditions=@heed/source packages/kernels/src/binary/binary.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { pow } from "../pow/pow.ts";
import { binary } from "./binary.ts";

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
    const kernels = binary.implementation(build);
    const shape = `${build} [${rows}, ${n}]`;
    for (const name of ["add", "mul", "div", "maximum"] as const) {
      report(
        `${name} ${shape}`,
        secondsOf(() => kernels[name](a, n, 1, b, n, 1, out, rows, n)),
        count * 12,
        "GB/s",
      );
    }
    const { pow: power } = pow.implementation(build);
    report(
      `pow ${shape}`,
      secondsOf(() => power(a, n, 1, b, n, 1, out, rows, n)),
      count * 12,
      "GB/s",
    );
    report(
      `add a row ${shape}`,
      secondsOf(() => kernels.add(a, n, 1, b, 0, 1, out, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `mul by a number per row ${shape}`,
      secondsOf(() => kernels.mul(a, n, 1, b, 1, 0, out, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `axpy ${shape}`,
      secondsOf(() => kernels.axpy(a, out, count, 0.5)),
      count * 12,
      "GB/s",
    );
  }
}
