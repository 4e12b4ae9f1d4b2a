import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ReduceOptions } from "./internal/fold-axes.ts";
import { checked, reduce, restore, type Axes } from "./internal/over-axes.ts";

/**
 * The sum `Σ x` over all axes (a scalar) or some; 0 over none. Time O(size of x).
 * @see PyTorch's `torch.sum`
 */
export function sum(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const { wide, over } = checked("sum", x, axes);
  return record("sum", reduce("sum", "sum", wide, over, options), [wide], [], (g) => [restore(g, wide, over)]);
}
