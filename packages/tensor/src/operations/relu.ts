import type { Tensor } from "../core/tensor.ts";
import { exp } from "./exponential.ts";
import { greater } from "./comparisons.ts";
import { mul } from "./arithmetic.ts";
import { minimum } from "./extrema.ts";
import { smooth } from "./unary.ts";
import { where } from "./where.ts";

/** max(x, 0). The gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return smooth("relu", "relu", x, []);
}

/** x above 0, else `slope · x` (default 0.01). The gradient at 0 is the slope. */
export function leakyRelu(x: Tensor, { slope = 0.01 }: { readonly slope?: number } = {}): Tensor {
  return smooth("leakyRelu", "leakyRelu", x, [slope]);
}

/** x above 0, else `alpha · (e^x − 1)` (default alpha 1). @see Clevert, Unterthiner and Hochreiter, 2016 (arXiv:1511.07289). */
export function elu(x: Tensor, { alpha = 1 }: { readonly alpha?: number } = {}): Tensor {
  // Above 0 the exponential is not wanted, and must not overflow.
  return smooth("elu", "elu", x, [alpha], (at) => where(greater(at, 0), 0, mul(exp(minimum(at, 0)), alpha)));
}
