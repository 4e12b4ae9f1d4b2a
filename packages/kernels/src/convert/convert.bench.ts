// node --conditions=@heed/source src/convert/convert.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { widen } from "../widen/widen.ts";
import { convert } from "./convert.ts";

const n = 2 ** 16;
const [x, out] = [allocateBlock(8 * n), allocateBlock(8 * n)];
const bytes = { halfToFloat: 6, floatToHalf: 6, brainToFloat: 6, floatToBrain: 6, byteToFloat: 5, intToFloat: 8, doubleToFloat: 12 };
for (const which of ["simd", "reference"] as const) {
  const kernels = { ...convert.implementation(which), ...widen.implementation(which) };
  for (const [name, perItem] of Object.entries(bytes) as [keyof typeof bytes, number][]) {
    report(
      `${which}: ${name}, ${n} items`,
      secondsOf(() => kernels[name](x, out, n)),
      perItem * n,
      "GB/s",
    );
  }
}
