import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, neg } from "./arithmetic.ts";
import { reciprocal, square } from "./powers.ts";
import { applyUnary, smooth } from "./unary.ts";

/**
 * `e^x`, any shape → the same. ∞ above 88.7 in float32; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.exp`
 */
export function exp(x: Tensor): Tensor {
  const out = applyUnary("exp", "exp", x);
  return record("exp", out, [x], [out], (g) => [mul(g, out)]);
}

/**
 * The natural logarithm, `ln x`, any shape → the same. −∞ at 0, NaN below. Time O(size of x).
 * @see PyTorch's `torch.log`
 */
export function log(x: Tensor): Tensor {
  return smooth("log", "log", x, [], (at) => neg(reciprocal(square(at))));
}

/**
 * `ln(1 + x)`, accurate near 0, any shape → the same. −∞ at −1, NaN below. Time O(size of x).
 * @see PyTorch's `torch.log1p`
 */
export function log1p(x: Tensor): Tensor {
  return smooth("log1p", "log1p", x, [], (at) => neg(reciprocal(square(add(at, 1)))));
}
