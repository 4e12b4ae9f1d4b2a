import { i32, v128 } from "../assembler/index.ts";
import type { FunctionHandle, ModuleBuilder } from "../assembler/index.ts";

const WIDE = {
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
  load: "i32",
} as const;

/** The most rows for which wide tiles are made. */
export const WIDE_ROWS = 2;
/** Columns that are computed in wide tiles: multiples of this. */
export const WIDE_COLUMNS = 32;

/**
 * One or two rows times whole groups of 32 columns of B, whose rows are contiguous: tiles of 1 × 32 and 2 × 16, since 1 × 8 has too
 * few sums to fill the pipes. Strides are in bytes; m is 1 or 2.
 */
export function defineWide(module: ModuleBuilder): FunctionHandle<typeof WIDE, undefined> {
  const tiles = [defineWideTile(module, 1, 8), defineWideTile(module, 2, 4)] as const;
  return module.internal("wide", { params: WIDE }, (f, { m, n, k, a, rowA, stepA, b, stepB, c, rowC, load }) => {
    const end = f.let(i32.and(n, -WIDE_COLUMNS));
    for (const [index, tile] of tiles.entries()) {
      const [rows, columns] = [index + 1, index === 0 ? 32 : 16];
      f.if(i32.eq(m, rows), () => {
        f.forRange(0, end, columns, () => {
          f.call(tile, { steps: k, a, rowA, stepA, b, stepB, c, rowC, load });
          f.increment(b, 4 * columns);
          f.increment(c, 4 * columns);
        });
      });
    }
  });
}

function defineWideTile(module: ModuleBuilder, rows: number, vectors: number) {
  const params = { steps: "i32", a: "i32", rowA: "i32", stepA: "i32", b: "i32", stepB: "i32", c: "i32", rowC: "i32", load: "i32" } as const;
  return module.internal(`wide${rows}`, { params }, (f, { steps, a, rowA, stepA, b, stepB, c, rowC, load }) => {
    const inputs = [a, ...(rows === 2 ? [f.let(i32.add(a, rowA))] : [])];
    const outputs = [c, ...(rows === 2 ? [f.let(i32.add(c, rowC))] : [])];
    const sums = inputs.map(() => f.locals("v128", vectors));
    f.if(load, () => sums.forEach((row, index) => row.forEach((sum, vector) => sum.set(v128.load(outputs[index], 16 * vector)))));
    const factors = f.locals("v128", rows);
    const other = f.local("v128");
    f.doWhile(steps, () => {
      for (const [row, factor] of factors.entries()) {
        factor.set(v128.load32Splat(inputs[row]));
        f.increment(inputs[row], stepA);
      }
      for (let vector = 0; vector < vectors; vector++) {
        other.set(v128.load(b, 16 * vector));
        for (const [row, factor] of factors.entries()) sums[row][vector].set(f.madd(factor, other, sums[row][vector]));
      }
      f.increment(b, stepB);
      f.increment(steps, -1);
    });
    sums.forEach((row, index) => row.forEach((sum, vector) => f.store(outputs[index], sum, 16 * vector)));
  });
}
