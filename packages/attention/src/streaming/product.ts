import { i32, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { defineFlat, panelsOfFlat } from "./flat.ts";
import { defineTile, defineTiles, tileColumns, tileRows } from "@heed/kernels/building-blocks";

const PRODUCT = {
  rows: "i32",
  /** Panels of columns: as many as a tile is wide. */
  panels: "i32",
  steps: "i32",
  a: "i32",
  rowA: "i32",
  stepA: "i32",
  b: "i32",
  stepB: "i32",
  panelB: "i32",
  c: "i32",
  rowC: "i32",
  /** 1: add to what `c` holds. */
  load: "i32",
} as const;
export type Product = FunctionHandle<typeof PRODUCT, undefined>;

/**
 * `c = a · b` (or +=) for the few rows of a strip, tile after tile of its columns. Strides are in bytes; without steps it is 0.
 * Whole strips whose rows are 4 bytes apart, which packed rows and columns of another strip are, go fastest.
 *
 * @param pitch another distance between rows at which whole strips go as fast
 */
export function defineProduct(m: ModuleBuilder, pitch?: number): Product {
  const columns = tileColumns(m.build);
  const tiles = Array.from({ length: tileRows(m.build) }, (_, index) => defineTile(m, index + 1, columns));
  const swift = [4, ...(pitch === undefined ? [] : [pitch])].map((bytes) => [bytes, defineTiles(m, tiles.length, bytes)] as const);
  const flats = [1, 2].map((rows) => defineFlat(m, rows));
  return m.internal("product", { params: PRODUCT }, (f, { rows, panels, steps, a, rowA, stepA, b, stepB, panelB, c, rowC, load }) => {
    f.if(i32.eqz(steps), () => {
      f.if(i32.eqz(load), () =>
        f.forRange(0, rows, 1, (row) => f.memoryFill(i32.add(c, i32.mul(row, rowC)), 0, i32.mul(panels, 4 * columns))),
      );
      f.return();
    });
    const start = f.local("i32");
    for (const [index, flat] of flats.entries()) {
      const together = panelsOfFlat(m, index + 1);
      f.if(i32.eq(rows, index + 1), () => {
        f.block((done) => {
          f.loop((again) => {
            f.branchIf(done, i32.ltS(panels, together));
            f.call(flat, { steps, a, rowA, stepA, b, stepB, panelB, c, rowC, start: load });
            f.increment(b, i32.mul(panelB, together));
            f.increment(c, 4 * columns * together);
            f.increment(panels, -together);
            f.branch(again);
          });
        });
      });
    }
    const height = tiles.length;
    for (const [bytes, several] of swift) {
      f.if(i32.and(i32.eq(rows, height), i32.eq(rowA, bytes)), () => {
        f.if(i32.gtS(panels, 0), () => f.call(several, { tiles: panels, steps, a, stepA, b, stepB, nextB: panelB, c, rowC, load }));
        f.return();
      });
    }
    for (let count = height; count > 0; count--) {
      const tile = tiles[count - 1];
      f.if(i32.eq(rows, count), () => {
        f.forRange(0, panels, 1, () => {
          start.set(i32.mul(c, load));
          f.call(tile, { steps, a, rowA, stepA, b, stepB, c, rowC, start, rowStart: rowC });
          f.increment(b, panelB);
          f.increment(c, 4 * columns);
        });
        f.return();
      });
    }
  });
}
