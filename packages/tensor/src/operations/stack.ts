import { ShapeError } from "@heed/kernels";
import { sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { concat, requireParts } from "./concat.ts";
import { unsqueeze } from "./views.ts";

/**
 * Tensors of one shape along a new axis: n of `[a, b]` make `[n, a, b]`.
 *
 * @param parts at least one; of one dtype and shape
 * @param axis of the result, default 0
 * @throws {ShapeError} without parts, or when shapes differ; {DTypeError} when dtypes differ.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.stack`
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  requireParts("stack", parts);
  parts.forEach((part, i) => {
    if (!sameShape(part.shape, parts[0].shape))
      throw new ShapeError("stack", "parts must have one shape", { "part 0": parts[0].shape, [`part ${i}`]: part.shape });
  });
  return concat(
    parts.map((part) => unsqueeze(part, axis)),
    axis < 0 ? axis + parts[0].rank + 1 : axis,
  );
}
