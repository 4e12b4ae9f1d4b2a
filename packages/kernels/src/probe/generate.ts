import { f32x4, i32, ModuleBuilder } from "../assembler/index.ts";
import type { Build } from "../assembler/index.ts";
import { tileColumns } from "../matmul/blocking.ts";
import { defineTile, tileRows } from "../matmul/tile.ts";
import { CHAINS, TILE_COLUMNS, TILE_ROWS } from "./sizes.ts";

/** The WebAssembly of the probe. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  m.func("chains", { params: { turns: "i32", factor: "f32", term: "f32" }, result: "f32" }, (f, { turns, factor, term }) => {
    const factors = f.let(f32x4.splat(factor));
    const terms = f.let(f32x4.splat(term));
    const chains = f.locals("v128", CHAINS);
    f.doWhile(turns, () => {
      for (const x of chains) x.set(f.madd(x, factors, terms));
      f.increment(turns, -1);
    });
    const sum = f.local("v128");
    for (const x of chains) sum.set(f32x4.add(sum, x));
    f.return(f32x4.extractLane(sum, 0));
  });
  // As a product would be computed: in tiles of the build's size.
  const [rows, columns] = [tileRows(build), tileColumns(build)];
  const tiles = [rows, TILE_ROWS - rows].map((count) => (count === 0 ? undefined : defineTile(m, count)));
  m.func("tile", { params: { steps: "i32", a: "i32", b: "i32", c: "i32" } }, (f, { steps, a, b, c }) => {
    for (let column = 0; column < TILE_COLUMNS; column += columns) {
      tiles.forEach((tile, index) => {
        if (tile === undefined) return;
        const row = index * rows;
        const [fromA, fromB, toC] = [i32.add(a, 4 * row), i32.add(b, 4 * column), i32.add(c, 4 * (row * TILE_COLUMNS + column))];
        const strides = { rowA: 4, stepA: 4 * TILE_ROWS, stepB: 4 * TILE_COLUMNS, rowC: 4 * TILE_COLUMNS };
        f.call(tile, { steps, a: fromA, b: fromB, c: toC, ...strides, start: 0, rowStart: 0 });
      });
    }
  });
  return m.toBytes();
}
