import { wasm } from "#wasm/unary";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { agree } from "./agree.ts";
import { reference } from "./reference.ts";

/** `out[i] = f(x[i])`, 0 ≤ i < n. Pointers are in bytes; `out` may be `x`. */
export type Unary = (x: number, out: number, n: number) => void;
/** `out[i] = g[i] · f′(x[i])`; `out` may be `x` or `g`. */
export type UnaryGrad = (x: number, g: number, out: number, n: number) => void;

/**
 * Functions of one element, and their derivatives times a cotangent. Each takes the limit that IEEE arithmetic would have at
 * ±∞ (silu(−∞) = 0, not NaN); NaN gives NaN, in gradients too. Where a gradient selects (relu, leakyRelu, elu, abs, clamp),
 * a closed gate gives 0 whatever `g` holds. Float32 errors, in ulp, are asserted in `unary.test.ts`.
 */
export interface UnaryKernels {
  neg: Unary;
  abs: Unary;
  absGrad: UnaryGrad;
  exp: Unary;
  expGrad: UnaryGrad;
  /** −∞ at 0, NaN below. */
  log: Unary;
  logGrad: UnaryGrad;
  log1p: Unary;
  log1pGrad: UnaryGrad;
  sqrt: Unary;
  sqrtGrad: UnaryGrad;
  /** 1 / √x; ∞ at 0. */
  rsqrt: Unary;
  rsqrtGrad: UnaryGrad;
  reciprocal: Unary;
  reciprocalGrad: UnaryGrad;
  square: Unary;
  squareGrad: UnaryGrad;
  tanh: Unary;
  tanhGrad: UnaryGrad;
  /** 1 / (1 + e^-x) */
  sigmoid: Unary;
  sigmoidGrad: UnaryGrad;
  relu: Unary;
  /** 0 at 0. */
  reluGrad: UnaryGrad;
  /** x · sigmoid(x) */
  silu: Unary;
  siluGrad: UnaryGrad;
  erf: Unary;
  erfGrad: UnaryGrad;
  /** Radians. In float32 good to |x| = 1e6; beyond, the phase is off by |x| · 2^-52. */
  sin: Unary;
  sinGrad: UnaryGrad;
  cos: Unary;
  cosGrad: UnaryGrad;
  /** ln(1 + e^x) */
  softplus: Unary;
  softplusGrad: UnaryGrad;
  /** x Φ(x), exact */
  geluErf: Unary;
  geluErfGrad: UnaryGrad;
  /** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) */
  geluTanh: Unary;
  geluTanhGrad: UnaryGrad;
  /** x above 0, else alpha · (e^x − 1) */
  elu(x: number, out: number, n: number, alpha: number): void;
  eluGrad(x: number, g: number, out: number, n: number, alpha: number): void;
  /** x above 0, else slope · x */
  leakyRelu(x: number, out: number, n: number, slope: number): void;
  /** The slope at 0. */
  leakyReluGrad(x: number, g: number, out: number, n: number, slope: number): void;
  /** min(max(x, low), high); bounds may be ∓∞ */
  clamp(x: number, out: number, n: number, low: number, high: number): void;
  /** g where low ≤ x ≤ high */
  clampGrad(x: number, g: number, out: number, n: number, low: number, high: number): void;
  /** x · factor + offset */
  scale(x: number, out: number, n: number, factor: number, offset: number): void;
  /** x^exponent, odd cases as in IEEE 754: x⁰ = 1; a negative base wants an integer exponent, else NaN. */
  powScalar(x: number, out: number, n: number, exponent: number): void;
  /** g · exponent · x^(exponent − 1); 0 for the exponent 0. */
  powScalarGrad(x: number, g: number, out: number, n: number, exponent: number): void;
}

export const unary: Family<UnaryKernels> = /* @__PURE__ */ defineFamily("unary", wasm, reference, agree);
