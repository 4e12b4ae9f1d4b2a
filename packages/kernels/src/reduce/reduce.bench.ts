// Node 24: node --conditions=@heed/source packages/kernels/src/reduce/reduce.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { reduce } from "./reduce.ts";

for (const [outer, n, inner] of [
  [1, 4096, 1],
  [197, 768, 1],
  [1, 197, 768],
  [1, 4096, 192],
  [16, 64, 64],
] as const) {
  const count = outer * n * inner;
  const [x, out] = [allocateBlock(count * 4), allocateBlock(count * 4)];
  float32View().set(noise(count, 1), x / 4);
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = reduce.implementation(build);
    const shape = `${build} [${outer}, ${n}, ${inner}]`;
    for (const name of ["sum", "sumSquares", "cumsum"] as const) {
      report(
        `${name} ${shape}`,
        secondsOf(() => kernels[name](x, out, outer, n, inner)),
        count * 4,
        "GB/s",
      );
    }
  }
}
