import type { Tensor } from "../core/tensor.ts";
import { exp } from "./exponential.ts";
import { greater } from "./comparisons.ts";
import { mul } from "./arithmetic.ts";
import { minimum } from "./extrema.ts";
import { smooth } from "./unary.ts";
import { where } from "./where.ts";

/**
 * `max(x, 0)`, any shape → the same. The gradient at 0 is 0; NaN stays NaN. Time O(size of x).
 * @see Nair and Hinton 2010, "Rectified Linear Units Improve Restricted Boltzmann Machines"
 */
export function relu(x: Tensor): Tensor {
  return smooth("relu", "relu", x, []);
}

/**
 * x above 0, else `slope · x` (default 0.01), any shape → the same. The gradient at 0 is the slope; NaN stays NaN. Time O(size of x).
 * @see Maas, Hannun and Ng 2013, "Rectifier Nonlinearities Improve Neural Network Acoustic Models"
 */
export function leakyRelu(x: Tensor, { slope = 0.01 }: { readonly slope?: number } = {}): Tensor {
  return smooth("leakyRelu", "leakyRelu", x, [slope]);
}

/**
 * x above 0, else `alpha · (e^x − 1)` (default alpha 1), any shape → the same; NaN stays NaN. Time O(size of x).
 * @see Clevert, Unterthiner and Hochreiter 2016 (arXiv:1511.07289)
 */
export function elu(x: Tensor, { alpha = 1 }: { readonly alpha?: number } = {}): Tensor {
  // Above 0 the exponential is not wanted, and must not overflow.
  return smooth("elu", "elu", x, [alpha], (at) => where(greater(at, 0), 0, mul(exp(minimum(at, 0)), alpha)));
}
