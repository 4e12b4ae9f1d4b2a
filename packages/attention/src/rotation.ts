import { tensor, type Tensor } from "@heed/tensor";

/**
 * Turns queries and keys by where they stand, so that their product depends on the distance: `rope` of `@heed/positional` is one, and
 * `(x, at) => rope(x, { ...at, style: "halfSplit" })` another.
 *
 * @param x `[B, H, L, D]`
 * @param at.positions where the first row stands (the others follow one by one), or int32 `[B, L]`
 * @returns the same shape
 */
export type Rotation = (x: Tensor, at: { readonly positions: number | Tensor }) => Tensor;

/** `x` `[B, H, L, D]` turned, whose first row stands at `first`: one number, or one per sample. */
export function rotated(rotation: Rotation | undefined, x: Tensor, first: number | Int32Array): Tensor {
  if (rotation === undefined) return x;
  if (typeof first === "number") return rotation(x, { positions: first });
  const L = x.shape[2];
  const positions = Int32Array.from({ length: first.length * L }, (_, at) => first[Math.floor(at / L)] + (at % L));
  return rotation(x, { positions: tensor(positions, { shape: [first.length, L] }) });
}
