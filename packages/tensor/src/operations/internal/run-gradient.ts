import { cutItems, isShared, runParallel, type Family } from "@heed/kernels";
import type { RealDType } from "../../core/dtype.ts";

/** What normalising does with an element, for `runItems`. */
export const workPerElement = 16;

/**
 * Runs the gradient kernel of a normalisation of rows. Large work is shared: pieces of the gradient of x, and beside them, as one
 * task, those of the parameters, which are sums over all rows in their order.
 *
 * @param args the arguments for some rows and the addresses of results, 0 for what is not wanted
 * @param results where the gradients go: of x first, then of the parameters; 0 for what is not wanted
 */
export function runGradient<K extends object>(
  family: Family<K>,
  dtype: RealDType,
  kernel: keyof K & string,
  rows: number,
  args: (first: number, count: number, results: readonly number[]) => readonly number[],
  [dx, ...parameters]: readonly number[],
  workPerRow: number,
): void {
  const work = rows * workPerRow;
  if (!isShared(work)) {
    const run = family.on(dtype)[kernel] as (...args: readonly number[]) => void;
    run(...args(0, rows, [dx, ...parameters]));
    return;
  }
  const none = parameters.map(() => 0);
  const calls = [
    ...(parameters.some((to) => to !== 0) ? [args(0, rows, [0, ...parameters])] : []),
    ...(dx === 0 ? [] : cutItems(rows, work, true).map(([first, count]) => args(first, count, [dx, ...none]))),
  ];
  runParallel(family, dtype, kernel, calls, { work, lingers: true });
}
