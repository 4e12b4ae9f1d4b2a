// node --conditions=@heed/source src/rows/rows.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { int32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { rows } from "./rows.ts";

const [vocabulary, count, width] = [4096, 2048, 128];
const table = allocateBlock(4 * vocabulary * width);
const out = allocateBlock(4 * count * width);
const ids = allocateBlock(4 * count);
int32View().set(
  Array.from({ length: count }, (_, i) => (i * 2654435761) % vocabulary),
  ids >>> 2,
);
for (const which of ["simd", "reference"] as const) {
  const kernels = rows.implementation(which);
  const size = count * width;
  report(
    `${which}: gatherRows ${count} × ${width}`,
    secondsOf(() => kernels.gatherRows(table, ids, out, count, width)),
    8 * size,
    "GB/s",
  );
  report(
    `${which}: scatterAddRows ${count} × ${width}`,
    secondsOf(() => kernels.scatterAddRows(out, ids, table, count, width)),
    12 * size,
    "GB/s",
  );
  report(
    `${which}: gather one of ${width} in ${count} rows`,
    secondsOf(() => kernels.gather(table, ids, out, 1, vocabulary, count, 1)),
    8 * count,
    "GB/s",
  );
}
