// node --conditions=@heed/source src/copy/copy.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { copy } from "./copy.ts";

const MiB = 2 ** 20;
const x = allocateBlock(16 * MiB);
const out = allocateBlock(16 * MiB);

type Four = [number, number, number, number];
const cases: [string, n: Four, s: Four, o: Four][] = [
  ["64 in a row", [1, 1, 1, 64], [0, 0, 0, 1], [0, 0, 0, 1]],
  ["1,024 in a row", [1, 1, 1, 1024], [0, 0, 0, 1], [0, 0, 0, 1]],
  ["65,536 in a row", [1, 1, 1, 65536], [0, 0, 0, 1], [0, 0, 0, 1]],
  ["heads [4, 197, 12, 64] → [4, 12, 197, 64]", [4, 12, 197, 64], [197 * 768, 64, 768, 1], [12 * 197 * 64, 197 * 64, 64, 1]],
  ["heads [4, 197, 12, 16] → [4, 12, 197, 16]", [4, 12, 197, 16], [197 * 192, 16, 192, 1], [12 * 197 * 16, 197 * 16, 16, 1]],
  ["transpose 64 × 64", [1, 1, 64, 64], [0, 0, 1, 64], [0, 0, 64, 1]],
  ["transpose 197 × 197", [1, 1, 197, 197], [0, 0, 1, 197], [0, 0, 197, 1]],
  ["transpose 768 × 768", [1, 1, 768, 768], [0, 0, 1, 768], [0, 0, 768, 1]],
  ["transpose 1024 × 1024", [1, 1, 1024, 1024], [0, 0, 1, 1024], [0, 0, 1024, 1]],
  ["broadcast of a row to [197, 768]", [1, 1, 197, 768], [0, 0, 0, 1], [0, 0, 768, 1]],
  ["broadcast of a column to [197, 768]", [1, 1, 197, 768], [0, 0, 1, 0], [0, 0, 768, 1]],
  ["no contiguous axis, 32 × 32 × 64", [1, 32, 32, 64], [0, 4096, 128, 2], [0, 2048, 64, 1]],
];
for (const which of ["simd", "reference"] as const) {
  const { copy4, addCopy } = copy.implementation(which);
  for (const [title, n, s, o] of which === "simd" ? cases : cases.slice(3, 4)) {
    const bytes = 8 * n.reduce((product, count) => product * count, 1); // one read and one write
    report(
      `${which}: copy4 ${title}`,
      secondsOf(() => copy4(x, out, ...n, ...s, ...o)),
      bytes,
      "GB/s",
    );
    if (s[3] === 1)
      report(
        `${which}: addCopy ${title}`,
        secondsOf(() => addCopy(x, out, ...n, ...s, ...o)),
        bytes,
        "GB/s",
      );
  }
}
