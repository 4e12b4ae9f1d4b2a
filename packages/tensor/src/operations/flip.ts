import { normalizeAxes } from "../core/shape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { slice } from "./views.ts";

/**
 * Reverses the order along one or more axes (all by default): a view, of the shape of `x`. Time O(rank).
 * @throws {ShapeError} for an axis out of range.
 * @see PyTorch's `torch.flip`
 */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  requireTensor("flip", "x", x);
  let out = x;
  for (const axis of normalizeAxes("flip", axes, x.rank)) out = slice(out, axis, undefined, undefined, -1);
  return out;
}
