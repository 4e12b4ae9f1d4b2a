// node --conditions=@heed/source src/random/random.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { random } from "./random.ts";

const n = 100_000;
const out = allocateBlock(4 * n);
for (const which of ["simd", "reference"] as const) {
  const kernels = random.implementation(which);
  report(
    `${which}: mask of ${n}`,
    secondsOf(() => kernels.mask(1, 2, out, n, 0xe6666666, 1.25)),
    4 * n,
    "GB/s",
  );
}
