import { i32, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { tileColumns } from "@heed/kernels/building-blocks";

const FLAT = {
  steps: "i32",
  a: "i32",
  rowA: "i32",
  stepA: "i32",
  b: "i32",
  stepB: "i32",
  panelB: "i32",
  c: "i32",
  rowC: "i32",
  start: "i32",
} as const;
export type Flat = FunctionHandle<typeof FLAT, undefined>;

/** Vectors that one step adds to: as many sums as hide the latency of a multiply-add. */
const SUMS = 8;

/** How many panels a flat tile of that many rows takes. */
export function panelsOfFlat(m: ModuleBuilder, rows: number): number {
  return SUMS / rows / (tileColumns(m.build) / 4);
}

/**
 * A tile of one or two rows and several panels, `panelB` bytes apart: one panel alone would have too few sums to hide the latency of each.
 */
export function defineFlat(m: ModuleBuilder, rows: number): Flat {
  return m.internal(`flat${rows}`, { params: FLAT }, (f, { steps, a, rowA, stepA, b, stepB, panelB, c, rowC, start }) => {
    const [panels, vectors] = [panelsOfFlat(m, rows), tileColumns(m.build) / 4];
    const sums = Array.from({ length: rows }, () => f.locals("v128", panels * vectors));
    const from = [b];
    for (let panel = 1; panel < panels; panel++) from.push(f.let(i32.add(from[panel - 1], panelB)));
    const inputs = [a];
    for (let row = 1; row < rows; row++) inputs.push(f.let(i32.add(inputs[row - 1], rowA)));
    const factors = f.locals("v128", rows);
    const other = f.local("v128");
    const at = f.let(c);
    f.if(start, () => {
      for (const ofRow of sums) {
        for (const [vector, sum] of ofRow.entries()) sum.set(v128.load(at, 16 * vector));
        f.increment(at, rowC);
      }
    });
    f.doWhile(steps, () => {
      for (const [row, factor] of factors.entries()) {
        factor.set(v128.load32Splat(inputs[row]));
        f.increment(inputs[row], stepA);
      }
      for (const [panel, pointer] of from.entries()) {
        for (let vector = 0; vector < vectors; vector++) {
          other.set(v128.load(pointer, 16 * vector));
          for (const [row, factor] of factors.entries()) {
            const sum = sums[row][panel * vectors + vector];
            sum.set(f.madd(factor, other, sum));
          }
        }
        f.increment(pointer, stepB);
      }
      f.increment(steps, -1);
    });
    for (const ofRow of sums) {
      for (const [vector, sum] of ofRow.entries()) f.store(c, sum, 16 * vector);
      f.increment(c, rowC);
    }
  });
}
