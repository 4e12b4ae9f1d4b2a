import { ShapeError } from "@heed/kernels";
import { normalizeAxis } from "../core/shape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { concat } from "./concat.ts";
import { slice } from "./views.ts";

/**
 * Moves elements by `shift` places along an axis, any shape → the same; what leaves at the end comes in at the start.
 * @throws {ShapeError} for a shift that is no integer.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.roll`
 */
export function roll(x: Tensor, shift: number, axis: number): Tensor {
  requireTensor("roll", "x", x);
  const at = normalizeAxis("roll", axis, x.rank);
  if (!Number.isInteger(shift)) throw new ShapeError("roll", "shift must be an integer", { shift });
  const length = x.shape[at];
  const cut = length === 0 ? 0 : ((-shift % length) + length) % length;
  return cut === 0 ? x : concat([slice(x, at, cut), slice(x, at, 0, cut)], at);
}
