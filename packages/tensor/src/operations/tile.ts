import { ShapeError } from "@heed/kernels";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { expand, reshape } from "./views.ts";

/**
 * The whole tensor `repeats[i]` times along axis i. Axes align at the end: where there are more repeats than axes, new axes
 * come in front; where there are fewer, leading axes stay.
 * @throws {ShapeError} for a repeat that is no non-negative integer.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.tile`
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  requireTensor("tile", "x", x);
  if (!repeats.every((times) => Number.isInteger(times) && times >= 0))
    throw new ShapeError("tile", "repeats must be non-negative integers", { repeats });
  const rank = Math.max(x.rank, repeats.length);
  const shape = [...new Array<number>(rank - x.rank).fill(1), ...x.shape];
  const times = [...new Array<number>(rank - repeats.length).fill(1), ...repeats];
  if (times.every((n) => n === 1)) return reshape(x, shape);
  const apart = reshape(
    x,
    shape.flatMap((length) => [1, length]),
  );
  return reshape(
    expand(
      apart,
      shape.flatMap((length, axis) => [times[axis], length]),
    ),
    shape.map((length, axis) => length * times[axis]),
  );
}
