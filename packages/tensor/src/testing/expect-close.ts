import { tensor } from "../core/construct.ts";
import { rowMajor, sameShape } from "../core/shape.ts";
import { Tensor, type NestedArray } from "../core/tensor.ts";

/** How far an actual element may be from the expected one: `|actual − expected| ≤ atol + rtol · |expected|`. A number is `atol` alone. */
export type Tolerance = number | { readonly rtol?: number; readonly atol?: number };

/**
 * Throws unless two tensors have one shape and close elements. NaN is close to NaN only, and an infinity to itself only,
 * whatever the tolerance. dtypes need not agree, so that float32 can be held against float64.
 *
 * @param actual a tensor, or nested arrays, a number or a typed array
 * @param expected the same
 * @param tolerance `{ rtol, atol }` (each 0 when left out), or a number for `atol` alone; default 0, so exactly equal
 * @throws {Error} with the shapes, or with how many elements differ, and index, values and excess of the first and the worst.
 */
export function expectClose(
  actual: Tensor | NestedArray | ArrayLike<number>,
  expected: Tensor | NestedArray | ArrayLike<number>,
  tolerance: Tolerance = 0,
): void {
  const [a, e] = [actual, expected].map((side) =>
    side instanceof Tensor ? side : tensor(side, ArrayBuffer.isView(side) ? {} : numbers(side)),
  );
  if (!sameShape(a.shape, e.shape)) throw new Error(`shapes differ: actual [${a.shape.join(", ")}], expected [${e.shape.join(", ")}]`);
  const { rtol = 0, atol = 0 } = typeof tolerance === "number" ? { atol: tolerance } : tolerance;
  const left = a.toTypedArray();
  const right = e.toTypedArray();
  let far = 0;
  let first = -1;
  let worst = -1;
  let worstRatio = 0;
  for (let i = 0; i < left.length; i++) {
    const allowed = atol + rtol * Math.abs(right[i]);
    const ratio = excess(left[i], right[i], allowed);
    if (ratio <= 1) continue;
    far++;
    if (first < 0) first = i;
    if (ratio > worstRatio) [worst, worstRatio] = [i, ratio];
  }
  if (far === 0) return;
  const describe = (i: number) => {
    const difference = Math.abs(left[i] - right[i]);
    return `[${indexOf(i, a.shape).join(", ")}] actual ${left[i]}, expected ${right[i]}, difference ${difference}, allowed ${atol + rtol * Math.abs(right[i])}`;
  };
  throw new Error(
    `${far} of ${left.length} elements differ by more than atol ${atol} + rtol ${rtol} · |expected| (shape [${a.shape.join(", ")}])\n` +
      `  first at ${describe(first)}${worst === first ? "" : `\n  worst at ${describe(worst)}`}`,
  );
}

/** Plain numbers compare in float64, so that their own digits are all there. */
function numbers(side: NestedArray | ArrayLike<number>): { dtype?: "float64" } {
  let leaf: unknown = side;
  while (Array.isArray(leaf)) leaf = leaf[0];
  return typeof leaf === "boolean" ? {} : { dtype: "float64" };
}

/** Difference by what is allowed; above 1 is too far. */
function excess(actual: number, expected: number, allowed: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  const difference = Math.abs(actual - expected);
  // One NaN, or an infinity against anything else: no tolerance reaches that far.
  if (!Number.isFinite(difference)) return Infinity;
  return difference <= allowed ? 0 : difference / Math.max(allowed, Number.MIN_VALUE);
}

function indexOf(flat: number, shape: readonly number[]): number[] {
  const strides = rowMajor(shape);
  return shape.map((length, axis) => Math.floor(flat / strides[axis]) % length);
}
