import { wasm } from "#wasm/norm";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Normalisations. Rows are contiguous `[rows, n]`; channels are the middle of `[B, C, inner]`, contiguous but for `stride` elements from
 * image to image, C · inner or, for some of the channels of all, more.
 * Pointers are in bytes. A pointer marked "or 0" may be 0: then that operand is absent (a weight of ones, a bias of
 * zeros), or that result is not wanted. `out` may be `x`, and `dx` may be `g`.
 *
 * Variances are those of the population (divisor n), from differences to the mean, so a mean far above the deviation
 * costs no digits; the mean itself is corrected by the mean of those differences.
 */
export interface NormKernels {
  /**
   * `out = (x − mean) · rstd · weight + bias`, `rstd = 1 / √(variance + eps)`, over each row.
   * @param weight `[n]` or 0
   * @param bias `[n]` or 0
   * @param mean `[rows]` or 0: what the gradient needs
   * @param rstd `[rows]` or 0
   */
  layerNorm(x: number, weight: number, bias: number, out: number, mean: number, rstd: number, rows: number, n: number, eps: number): void;
  /**
   * The gradient: with x̂ = (x − mean) · rstd and w = g · weight,
   * `dx = rstd · (w − mean(w) − x̂ · mean(w · x̂))`, `dweight = Σ g · x̂` and `dbias = Σ g` over rows, in their order.
   * @param dx `[rows, n]` or 0; `dweight`, `dbias` `[n]` or 0. All are overwritten.
   */
  layerNormGrad(
    x: number,
    weight: number,
    mean: number,
    rstd: number,
    g: number,
    dx: number,
    dweight: number,
    dbias: number,
    rows: number,
    n: number,
  ): void;
  /** `sum = x + y`, then `out = layerNorm(sum)`, row by row, to the bits of the two. `sum` may be `x` or `y`. */
  addLayerNorm(
    x: number,
    y: number,
    sum: number,
    weight: number,
    bias: number,
    out: number,
    mean: number,
    rstd: number,
    rows: number,
    n: number,
    eps: number,
  ): void;
  /** The gradient of `sum`, x: `layerNormGrad`, to whose dx comes what reaches the sum besides, `more` `[rows, n]`, apart from dx. */
  addLayerNormGrad(
    x: number,
    weight: number,
    mean: number,
    rstd: number,
    g: number,
    more: number,
    dx: number,
    dweight: number,
    dbias: number,
    rows: number,
    n: number,
  ): void;
  /** `out = x · rstd · weight`, `rstd = 1 / √(mean(x²) + eps)`, over each row. `weight` `[n]` or 0, `rstd` `[rows]` or 0. */
  rmsNorm(x: number, weight: number, out: number, rstd: number, rows: number, n: number, eps: number): void;
  /**
   * The gradient: with x̂ = x · rstd and w = g · weight, `dx = rstd · (w − x̂ · mean(w · x̂))`, `dweight = Σ g · x̂` over
   * rows, in their order. `dx` or `dweight` may be 0; both are overwritten.
   */
  rmsNormGrad(x: number, weight: number, rstd: number, g: number, dx: number, dweight: number, rows: number, n: number): void;
  /** Mean and population variance `[C]` of each channel of x `[B, C, inner]`. Without elements both are NaN. */
  channelMoments(x: number, mean: number, variance: number, B: number, C: number, inner: number, stride: number): void;
  /** `out = x · scale[c] + shift[c]`, the same for every element of a channel. */
  channelAffine(x: number, scale: number, shift: number, out: number, B: number, C: number, inner: number, stride: number): void;
  /**
   * The gradient of batch normalisation in training, where mean and rstd come from x itself: with x̂ = (x − mean) · rstd
   * and N = B · inner, `dbias = Σ g`, `dweight = Σ g · x̂`, `dx = weight · rstd · (g − dbias / N − x̂ · dweight / N)`.
   * @param weight `[C]` or 0
   * @param dx `[B, C, inner]` or 0
   * @param dweight `[C]`, overwritten, as `dbias` is
   */
  batchNormGrad(
    x: number,
    g: number,
    mean: number,
    rstd: number,
    weight: number,
    dx: number,
    dweight: number,
    dbias: number,
    B: number,
    C: number,
    inner: number,
    stride: number,
  ): void;
}

export const norm: Family<NormKernels> = /* @__PURE__ */ defineFamily("norm", wasm, reference);
