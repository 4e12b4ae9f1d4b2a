import { i32 } from "../assembler/index.ts";
import type { FunctionHandle, ModuleBuilder } from "../assembler/index.ts";
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

/** The most rows for which flat tiles are made. */
export const FLAT_ROWS = 2;
/** Columns that are computed in flat tiles: multiples of this. */
export const FLAT_COLUMNS = 32;

/**
 * One or two rows times whole groups of 32 columns of B, whose rows are contiguous: tiles of 1 × 32 and 2 × 16, since 1 × 8 has too
 * few sums to fill the pipes. Strides are in bytes; m is 1 or 2. Sums start from what lies at `start`, or where that is 0, from 0.
 */
export function defineFlat(module: ModuleBuilder): FunctionHandle<typeof FLAT, undefined> {
  const tiles = [defineTile(module, 1, 32), defineTile(module, 2, 16)];
  return module.internal("flat", { params: FLAT }, (f, { m, n, k, a, rowA, stepA, b, stepB, c, rowC, start, rowStart }) => {
    const end = f.let(i32.and(n, -FLAT_COLUMNS));
    for (const [index, tile] of tiles.entries()) {
      const [rows, columns] = [index + 1, index === 0 ? 32 : 16];
      f.if(i32.eq(m, rows), () => {
        f.forRange(0, end, columns, () => {
          f.call(tile, { steps: k, a, rowA, stepA, b, stepB, c, rowC, start, rowStart });
          f.increment(b, 4 * columns);
          f.increment(c, 4 * columns);
          f.if(start, () => f.increment(start, 4 * columns));
        });
      });
    }
  });
}
