import type { Tensor } from "../core/tensor.ts";
import { neg } from "./arithmetic.ts";
import { smooth } from "./unary.ts";

/**
 * `sin x`, x in radians, any shape → the same. In float32 good to |x| = 1e6; NaN at ±∞. Time O(size of x).
 * @see PyTorch's `torch.sin`
 */
export function sin(x: Tensor): Tensor {
  return smooth("sin", "sin", x, [], (at) => neg(sin(at)));
}

/**
 * `cos x`, x in radians, any shape → the same. In float32 good to |x| = 1e6; NaN at ±∞. Time O(size of x).
 * @see PyTorch's `torch.cos`
 */
export function cos(x: Tensor): Tensor {
  return smooth("cos", "cos", x, [], (at) => neg(cos(at)));
}
