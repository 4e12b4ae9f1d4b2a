import { mul, reshape, sigmoid, ShapeError, tanh, where, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import { Linear, Module } from "@heed/nn";
import { attention } from "../attention.ts";
import { openElements, requireSet } from "../internal/open-elements.ts";
import { softmax, type Normaliser } from "../normalisers.ts";

export interface SaliencyPoolingOptions {
  readonly key: RandomKey;
  /** Width in which saliency is judged. Default embedDim. */
  readonly hiddenDim?: number;
  /** Multiplies by a gate of its own, since tanh is nearly linear around 0. Default true. */
  readonly gated?: boolean;
  /** How saliencies become weights. Default `softmax()`; `hard()` takes the most salient element alone. */
  readonly normaliser?: Normaliser;
}

export interface PoolingCallOptions {
  /** true = counts: a mask of `@heed/masks` (such as `padding(lengths)`), or a boolean tensor broadcastable to `[B, 1, 1, S]`. */
  readonly mask?: Mask | Tensor;
}

/**
 * Attention without a query: each vector of a set says for itself how salient it is, `s = wᵀ (tanh(V x) ⊙ σ(U x))`, without the gate
 * `s = wᵀ tanh(V x)`, and the result is the sum of all, weighted: `Σ_s softmax(s)_s x_s`. `[B, S, E]` → `[B, E]`, in whatever order they come.
 *
 * Letters: B batch, S elements, E embedDim.
 *
 * Parameters `v.weight` `[hiddenDim, E]`, `u.weight` (the gate's), `w.weight` `[1, hiddenDim]`, and their biases. Where nothing counts the result is 0;
 * what does not count may hold NaN.
 * @throws {ShapeError} for widths below 1, or when x or the mask has another shape. Time O(B S E hiddenDim).
 * @see Ilse, Tomczak, Welling 2018, eqs. 7–9 (arXiv:1802.04712)
 * @example
 * const pool = new SaliencyPooling(16, { key });
 * const { output, weights } = pool.forward(x, { mask: padding(lengths), returnWeights: true });
 */
export class SaliencyPooling extends Module {
  readonly v: Linear;
  readonly u: Linear | null;
  readonly w: Linear;
  readonly normaliser: Normaliser;

  constructor(embedDim: number, { key, hiddenDim = embedDim, gated = true, normaliser = softmax() }: SaliencyPoolingOptions) {
    super();
    if (![embedDim, hiddenDim].every((n) => Number.isInteger(n) && n >= 1)) {
      throw new ShapeError("SaliencyPooling", "embedDim and hiddenDim must be whole numbers, at least 1", { embedDim, hiddenDim });
    }
    this.v = new Linear(embedDim, hiddenDim, { key: key.split("v") });
    this.u = gated ? new Linear(embedDim, hiddenDim, { key: key.split("u") }) : null;
    this.w = new Linear(hiddenDim, 1, { key: key.split("w") });
    this.normaliser = normaliser;
  }

  /** @returns `[B, E]`; with `returnWeights` also the weights `[B, S]` */
  forward(x: Tensor, options: PoolingCallOptions & { readonly returnWeights: true }): { output: Tensor; weights: Tensor };
  forward(x: Tensor, options?: PoolingCallOptions & { readonly returnWeights?: false }): Tensor;
  forward(
    x: Tensor,
    { mask, returnWeights = false }: PoolingCallOptions & { readonly returnWeights?: boolean } = {},
  ): Tensor | { output: Tensor; weights: Tensor } {
    requireSet("SaliencyPooling", x, this.v.weight.shape[1]);
    const [B, S, E] = x.shape;
    const open = openElements("SaliencyPooling", x, mask);
    const heard = open === undefined ? x : where(open, x, 0);
    const hidden = tanh(this.v.forward(heard));
    const saliency = this.w.forward(this.u === null ? hidden : mul(hidden, sigmoid(this.u.forward(heard))));
    const nothing = (rows: number) => zeros([B, 1, rows, 1], { dtype: x.dtype as "float32" });
    const { output, weights } = attention(nothing(1), nothing(S), reshape(heard, [B, 1, S, E]), {
      bias: reshape(saliency, [B, 1, 1, S]),
      normaliser: this.normaliser,
      returns: returnWeights ? ["weights"] : [],
      mask: open === undefined ? undefined : reshape(open, [B, 1, 1, S]),
    });
    const pooled = reshape(output, [B, E]);
    return returnWeights ? { output: pooled, weights: reshape(weights, [B, S]) } : pooled;
  }
}
