import { i32 } from "../assembler/index.ts";
import type { Build, FunctionHandle, ModuleBuilder } from "../assembler/index.ts";
import { tileColumns } from "./blocking.ts";
import { defineTile } from "./tile.ts";

const FLAT = {
  m: "i32",
  n: "i32",
  k: "i32",
  a: "i32",
  rowA: "i32",
  stepA: "i32",
  b: "i32",
  stepB: "i32",
  c: "i32",
  rowC: "i32",
  start: "i32",
  rowStart: "i32",
} as const;

/** Columns that are computed in flat tiles: multiples of this. */
export const flatColumns = (build: Build): number => 4 * tileColumns(build);

/**
 * One or two rows times whole groups of columns of B, whose rows are contiguous: one row of four tiles' width, two of two tiles',
 * since one row of a tile has too few sums to fill the pipes. Strides are in bytes; m is 1 or 2. Sums start from what lies at
 * `start`, or where that is 0, from 0.
 */
export function defineFlat(module: ModuleBuilder): FunctionHandle<typeof FLAT, undefined> {
  const width = flatColumns(module.build);
  const tiles = [1, 2].map((rows) => defineTile(module, rows, width / rows));
  return module.internal("flat", { params: FLAT }, (f, { m, n, k, a, rowA, stepA, b, stepB, c, rowC, start, rowStart }) => {
    const end = f.let(i32.and(n, -width));
    for (const [index, tile] of tiles.entries()) {
      const rows = index + 1;
      f.if(i32.eq(m, rows), () => {
        f.forRange(0, end, width / rows, () => {
          f.call(tile, { steps: k, a, rowA, stepA, b, stepB, c, rowC, start, rowStart });
          for (const pointer of [b, c]) f.increment(pointer, (4 * width) / rows);
          f.if(start, () => f.increment(start, (4 * width) / rows));
        });
      });
    }
  });
}
