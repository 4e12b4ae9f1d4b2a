import type { Tensor } from "../core/tensor.ts";
import { smooth } from "./unary.ts";

/**
 * `|x|`, any shape → the same. The gradient at 0 is 0; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.abs`
 */
export function abs(x: Tensor): Tensor {
  return smooth("abs", "abs", x, []);
}
