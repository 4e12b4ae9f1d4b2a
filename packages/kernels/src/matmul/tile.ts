import { i32, v128 } from "../assembler/index.ts";
import type { Build, FunctionHandle, ModuleBuilder } from "../assembler/index.ts";

const TILE = { steps: "i32", a: "i32", rowA: "i32", stepA: "i32", b: "i32", stepB: "i32", c: "i32", rowC: "i32", load: "i32" } as const;

/** A function that computes one tile of C. Strides are in bytes; `load`: start from what C holds instead of zeros. */
export type Tile = FunctionHandle<typeof TILE, undefined>;

/**
 * Rows of a full tile. With fused multiply-add 6 × 8 needs 12 sums + 2 of B + 1 of A = 15 vector registers, all that V8 has on
 * x64. Without it each product takes one more, and 4 × 8 fits.
 */
export const tileRows = (build: Build): 4 | 6 => (build === "relaxed" ? 6 : 4);

/**
 * A tile of `rows` × 8: the sums stay in registers while A and B go by, each step of the sum one row of B (two vectors) and `rows`
 * elements of A. It is a function of its own, not inlined, because engines exchange slow first code for fast code only at calls.
 */
export function defineTile(m: ModuleBuilder, rows: number): Tile {
  return m.internal(`tile${rows}`, { params: TILE }, (f, { steps, a, rowA, stepA, b, stepB, c, rowC, load }) => {
    const each = <T>(make: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => make(row));
    const rowPointers = (start: typeof a, stride: typeof rowA) => {
      const pointers = [start];
      for (let row = 1; row < rows; row++) pointers.push(f.let(i32.add(pointers[row - 1], stride)));
      return pointers;
    };
    const sums = each(() => f.locals("v128", 2));
    const outputs = rowPointers(c, rowC);

    // What C holds goes into the sums before the loop, never into stores after it: interleaved loads and stores halve the speed.
    f.if(load, () => {
      for (const [row, [left, right]] of sums.entries()) {
        left.set(v128.load(outputs[row]));
        right.set(v128.load(outputs[row], 16));
      }
    });

    const inputs = rowPointers(a, rowA);
    const [left, right, factor] = f.locals("v128", 3);
    // One step per turn: unrolling makes older engines hoist every load, and spill.
    f.doWhile(steps, () => {
      left.set(v128.load(b));
      right.set(v128.load(b, 16));
      f.increment(b, stepB);
      for (const [row, [sumLeft, sumRight]] of sums.entries()) {
        factor.set(v128.load32Splat(inputs[row]));
        f.increment(inputs[row], stepA);
        sumLeft.set(f.madd(factor, left, sumLeft));
        sumRight.set(f.madd(factor, right, sumRight));
      }
      f.increment(steps, -1);
    });

    for (const [row, [sumLeft, sumRight]] of sums.entries()) {
      f.store(outputs[row], sumLeft);
      f.store(outputs[row], sumRight, 16);
    }
  });
}
