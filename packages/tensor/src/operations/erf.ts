import type { Tensor } from "../core/tensor.ts";
import { mul, neg } from "./arithmetic.ts";
import { exp } from "./exponential.ts";
import { square } from "./powers.ts";
import { smooth } from "./unary.ts";

/**
 * The error function, `2/√π ∫₀ˣ e^−t² dt`, any shape → the same; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.erf`
 */
export function erf(x: Tensor): Tensor {
  return smooth("erf", "erf", x, [], (at) => mul(mul(at, -4 / Math.sqrt(Math.PI)), exp(neg(square(at)))));
}
