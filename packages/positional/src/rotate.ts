import { add, concat, DTypeError, HeedError, mul, reshape, ShapeError, slice, stack, sub, type Tensor } from "@heed/tensor";

export interface RotateOptions {
  /** Pairs: `interleaved`, features 2i and 2i + 1 (default, as in the paper); `halfSplit`, i and i + R / 2 (as in GPT-NeoX and Llama). */
  readonly style?: "interleaved" | "halfSplit";
}

/**
 * Turns pairs of features by angles whose cosines and sines are given: (a, b) → (a cos − b sin, a sin + b cos). `rope` makes the tables;
 * give your own for other angles, or to keep them from call to call.
 *
 * Letters: L length, D width, R features that turn. Where R = 0 nothing turns.
 * @param x `[…, L, D]`
 * @param cosines `[L, R / 2]`, or with leading axes that broadcast to those of x; the first R features turn, the rest pass
 * @param sines of the same shape
 * @returns the shape of x.
 * @throws {ShapeError} when tables do not fit x; {DTypeError} when dtypes differ.
 *
 * Time and memory O(size of x).
 * @see Su et al. 2021 (arXiv:2104.09864)
 */
export function rotate(x: Tensor, cosines: Tensor, sines: Tensor, { style = "interleaved" }: RotateOptions = {}): Tensor {
  if (style !== "interleaved" && style !== "halfSplit") throw new HeedError("rotate", "style is interleaved or halfSplit", { style });
  const [L, D] = x.shape.slice(-2);
  const pairs = cosines.shape.at(-1) ?? 0;
  const lead = x.shape.slice(0, -1);
  const aligned = cosines.shape.slice(0, -1).every((n, axis, all) => {
    const of = lead[lead.length - all.length + axis];
    return n === of || (n === 1 && of !== undefined && axis < all.length - 1);
  });
  const alike = cosines.rank === sines.rank && cosines.shape.every((n, axis) => n === sines.shape[axis]);
  if (x.rank < 2 || cosines.rank < 2 || cosines.rank > x.rank || !aligned || !alike || 2 * pairs > D) {
    const rule = "cosines and sines must be [..., L, R / 2] alike, R at most D, and broadcast to x [..., L, D]";
    throw new ShapeError("rotate", rule, { x: x.shape, cosines: cosines.shape, sines: sines.shape, L, D });
  }
  if (x.dtype !== cosines.dtype || x.dtype !== sines.dtype) {
    throw new DTypeError("rotate", "x, cosines and sines must share a dtype", { x: x.dtype, cosines: cosines.dtype, sines: sines.dtype });
  }
  const head = slice(x, -1, 0, 2 * pairs);
  const apart = style === "interleaved" ? reshape(head, [...lead, pairs, 2]) : reshape(head, [...lead, 2, pairs]);
  const axis = style === "interleaved" ? -1 : -2;
  const part = (which: number) => reshape(slice(apart, axis, which, which + 1), [...lead, pairs]);
  const [a, b] = [part(0), part(1)];
  const turned = [sub(mul(a, cosines), mul(b, sines)), add(mul(a, sines), mul(b, cosines))];
  const joined = reshape(stack(turned, axis), [...lead, 2 * pairs]);
  return 2 * pairs === D ? joined : concat([joined, slice(x, -1, 2 * pairs)], -1);
}
