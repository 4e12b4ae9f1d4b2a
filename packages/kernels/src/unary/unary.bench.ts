// Node 24: node --conditions=@heed/source packages/kernels/src/unary/unary.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { unary } from "./unary.ts";

const parameters: Record<string, number[]> = { elu: [1], leakyRelu: [0.2], clamp: [-1, 1], scale: [2, 1], powScalar: [1.7] };
const wanted = process.argv[2]?.split(",");

for (const n of [4096, 197 * 3072]) {
  const [x, out] = [allocateBlock(n * 4), allocateBlock(n * 4)];
  float32View().set(
    noise(n, 1).map((value) => 4 * Math.abs(value) + 0.01),
    x / 4,
  );
  for (const name of Object.keys(unary.implementation("reference"))) {
    if (name.endsWith("Grad") || (wanted !== undefined && !wanted.includes(name))) continue;
    for (const build of ["simd", "relaxed"] as const) {
      const kernel = unary.implementation(build)[name as "exp"] as (...args: number[]) => void;
      const rest = parameters[name] ?? [];
      report(
        `${name} ${build} n=${n}`,
        secondsOf(() => kernel(x, out, n, ...rest)),
        n * 8,
        "GB/s",
      );
    }
  }
}
