import { reduceKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { normalizeAxis, sizeOf } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { slice } from "./views.ts";
import { widened } from "./widened.ts";

/**
 * Running sums along an axis, any shape → the same: element i is `Σ x_j`, j ≤ i. Accumulated in float64; without elements there are none.
 * Time O(size of x).
 * @throws {ShapeError} for an axis out of range.
 * @see PyTorch's `torch.cumsum`
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  requireTensor("cumsum", "x", x);
  const at = normalizeAxis("cumsum", axis, x.rank);
  const wide = widened(x);
  const dtype = requireReal("cumsum", wide.dtype);
  const [outer, n, inner] = [sizeOf(x.shape.slice(0, at)), x.shape[at], sizeOf(x.shape.slice(at + 1))];
  const out = computeOne("cumsum", [packed(wide)], x.shape, dtype, ([read], write) => {
    if (x.size > 0) reduceKernels.on(dtype).cumsum(read, write, outer, n, inner);
  });
  const backwards = (y: Tensor) => slice(y, at, undefined, undefined, -1);
  return record("cumsum", out, [wide], [], (g) => [backwards(cumsum(backwards(g), at))]);
}
