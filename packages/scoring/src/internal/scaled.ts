import { mul, reshape, type Tensor } from "@heed/tensor";

/** Scores `[…, H, L, S]` times a number, a scalar tensor, or one factor per head `[H]`. */
export function scaled(scores: Tensor, scale: number | Tensor): Tensor {
  if (typeof scale === "number") return scale === 1 ? scores : mul(scores, scale);
  return mul(scores, scale.rank === 0 || scale.size === 1 ? reshape(scale, []) : reshape(scale, [scale.size, 1, 1]));
}
