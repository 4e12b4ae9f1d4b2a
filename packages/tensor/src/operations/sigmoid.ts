import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { square } from "./powers.ts";
import { smooth } from "./unary.ts";

/**
 * `σ(x) = 1 / (1 + e^−x)`, any shape → the same; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.sigmoid`
 */
export function sigmoid(x: Tensor): Tensor {
  return smooth("sigmoid", "sigmoid", x, [], (at) => {
    const s = sigmoid(at);
    return mul(mul(s, sub(1, s)), sub(1, mul(s, 2)));
  });
}

/**
 * The hyperbolic tangent, `tanh x`, any shape → the same; ±1 at ±∞, NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.tanh`
 */
export function tanh(x: Tensor): Tensor {
  return smooth("tanh", "tanh", x, [], (at) => {
    const t = tanh(at);
    return mul(mul(t, -2), sub(1, square(t)));
  });
}

/**
 * `ln(1 + e^x)`, a smooth relu, any shape → the same; x itself for large x, NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.nn.functional.softplus`
 */
export function softplus(x: Tensor): Tensor {
  return smooth("softplus", "softplus", x, [], (at) => {
    const s = sigmoid(at);
    return mul(s, sub(1, s));
  });
}

/**
 * `x σ(x)`, also called swish, any shape → the same; NaN stays NaN, and −∞ becomes 0. Time O(size of x).
 * @see Elfwing, Uchibe and Doya 2018 (arXiv:1702.03118)
 */
export function silu(x: Tensor): Tensor {
  return smooth("silu", "silu", x, [], (at) => {
    const s = sigmoid(at);
    return mul(mul(s, sub(1, s)), add(mul(at, sub(1, mul(s, 2))), 2));
  });
}
