import { concat, ShapeError, slice, type Tensor } from "@heed/tensor";

/**
 * The last real row of each sample: `[B, n, E]` → `[B, 1, E]`. Between a stack and its head it spares a language model the logits of a whole prompt.
 *
 * Letters: B samples, n rows, E width. Differentiable. Time O(B E).
 * @param lengths how many of the n rows of each sample are real, at least 1. Default all
 * @throws {ShapeError} when x is not of rank 3, or lengths do not fit.
 * @see Elementary: rows by their numbers
 */
export function lastTokens(x: Tensor, lengths?: ArrayLike<number>): Tensor {
  if (x.rank !== 3) throw new ShapeError("lastTokens", "x must be [B, n, E]", { x: x.shape });
  const [B, n] = x.shape;
  if (lengths === undefined) return slice(x, 1, n - 1, n);
  const each = Array.from(lengths);
  if (each.length !== B || each.some((length) => !Number.isInteger(length) || length < 1 || length > n)) {
    throw new ShapeError("lastTokens", "lengths must be one per sample, from 1 to n", { lengths: each, x: x.shape });
  }
  return concat(
    each.map((length, b) => slice(slice(x, 0, b, b + 1), 1, length - 1, length)),
    0,
  );
}
