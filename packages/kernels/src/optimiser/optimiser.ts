import { wasm } from "#wasm/optimiser";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * One update of n parameters in place, as PyTorch's. Pointers are in bytes; "or 0" means that the array is absent.
 * Flags are 0 or 1. Differences to one (1 − beta …) are taken in float64 before they are rounded.
 */
export interface OptimiserKernels {
  /**
   * With g ← g + weightDecay · p: without a buffer `p −= lr · g`; with one
   * `buffer = momentum · buffer + (1 − dampening) · g` (on the first step `buffer = g`), then
   * `p −= lr · buffer`, or with nesterov `p −= lr · (g + momentum · buffer)`.
   * @param buffer `[n]` or 0
   */
  sgd(
    p: number,
    g: number,
    buffer: number,
    n: number,
    lr: number,
    momentum: number,
    dampening: number,
    nesterov: number,
    weightDecay: number,
    firstStep: number,
  ): void;
  /**
   * First `p *= 1 − lr · weightDecay` when decoupled (AdamW), else g ← g + weightDecay · p. Then
   * `m = beta1 · m + (1 − beta1) · g`, `v = beta2 · v + (1 − beta2) · g²`,
   * `p −= lr · (m / biasCorrection1) / (√(v / biasCorrection2) + eps)`, with `vmax = max(vmax, v)` in the place of v if given.
   * @param vmax `[n]` or 0 (AMSGrad)
   * @param biasCorrection1 `1 − beta1^t` at step t = 1, 2, …
   * @param biasCorrection2 `1 − beta2^t`
   * @see Kingma and Ba, 2015 (arXiv:1412.6980); Loshchilov and Hutter, 2019 (arXiv:1711.05101); Reddi et al., 2018 (arXiv:1904.09237).
   */
  adam(
    p: number,
    g: number,
    m: number,
    v: number,
    vmax: number,
    n: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    decoupled: number,
    biasCorrection1: number,
    biasCorrection2: number,
  ): void;
}

export const optimiser: Family<OptimiserKernels> = /* @__PURE__ */ defineFamily("optimiser", wasm, reference);
