import { HeedError } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { exp } from "./exponential.ts";
import { square } from "./powers.ts";
import { tanh } from "./sigmoid.ts";
import { applyUnary, recordSmooth } from "./unary.ts";
import { widened } from "./widened.ts";

export interface GeluOptions {
  /** `none` (default): the exact x Φ(x). `tanh`: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), as GPT-2 uses. */
  readonly approximate?: "none" | "tanh";
}

/**
 * The Gaussian error linear unit, `x Φ(x)`, with Φ the normal distribution function, any shape → the same; NaN stays NaN, and −∞ becomes 0.
 * Time O(size of x).
 * @see Hendrycks and Gimpel 2016 (arXiv:1606.08415)
 */
export function gelu(x: Tensor, { approximate = "none" }: GeluOptions = {}): Tensor {
  if (approximate !== "none" && approximate !== "tanh") throw new HeedError("gelu", 'approximate is "none" or "tanh"', { approximate });
  return recordGelu(applyUnary("gelu", kernels[approximate], x), widened(x), approximate);
}

const kernels = { none: "geluErf", tanh: "geluTanh" } as const;

/** Records `out = gelu(x)`, however it was computed. */
export function recordGelu(out: Tensor, x: Tensor, approximate: "none" | "tanh"): Tensor {
  return recordSmooth("gelu", kernels[approximate], out, x, [], approximate === "none" ? curvature : tanhCurvature);
}

/** φ(x) (2 − x²), with φ the normal density. */
function curvature(x: Tensor): Tensor {
  return mul(mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI)), sub(2, square(x)));
}

const INNER = 0.044715;

/** f″ of ½ x (1 + tanh u), u = c (x + a x³): (1 − t²) (u′ + ½ x u″ − x t u′²). */
function tanhCurvature(x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI);
  const squared = square(x);
  const t = tanh(mul(mul(x, add(mul(squared, INNER), 1)), c));
  const slope = mul(add(mul(squared, 3 * INNER), 1), c);
  const half = mul(squared, 3 * INNER * c); // ½ x u″, u″ = 6 a c x
  return mul(sub(1, square(t)), sub(add(slope, half), mul(mul(x, t), square(slope))));
}
