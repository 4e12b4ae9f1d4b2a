import type { RandomKey, Tensor } from "@heed/tensor";
import { MultiHeadAttention, type CacheUse, type MultiHeadAttentionOptions, type MultiHeadCallOptions } from "@heed/attention";
import { Dropout, LayerNorm, Linear, Module } from "@heed/nn";
import { feedForward, requireActivation } from "./internal/feed-forward.ts";

export interface EncoderLayerOptions extends Pick<MultiHeadAttentionOptions, "numKeyValueHeads" | "rotation"> {
  readonly key: RandomKey;
  /** Width of the feed-forward's hidden layer. Default 4 · embedDim. */
  readonly feedForwardDim?: number;
  /** Default `relu`, as PyTorch; `gelu` is exact. */
  readonly activation?: "relu" | "gelu";
  /** Norm before each part instead of after it. Default false, as PyTorch. */
  readonly normFirst?: boolean;
  /** Default 0. */
  readonly dropoutP?: number;
  /** Default 1e-5. */
  readonly layerNormEps?: number;
}

/** What a layer passes on to its self-attention: a mask (true = may attend), biases, a cache. */
export type EncoderCallOptions = Pick<MultiHeadCallOptions, "mask" | "bias"> & CacheUse;

/**
 * Self-attention, then a feed-forward `linear2(activation(linear1(x)))`, each with a residual and a norm: `[B, L, embedDim]` → the same.
 * Post-norm: x = norm1(x + attn(x)); x = norm2(x + ff(x)). Pre-norm: x += attn(norm1(x)); x += ff(norm2(x)).
 *
 * Parameters as in `torch.nn.TransformerEncoderLayer`: `self_attn.in_proj_weight`, `self_attn.out_proj.weight`, `linear1.weight`,
 * `linear2.weight`, `norm1.weight`, `norm2.weight`, and their biases. In `training`, `dropoutP` drops attention weights, the hidden layer, and
 * what each part adds.
 *
 * Letters: B batch, L tokens. A token that may attend to nothing gets `self_attn.out_proj.bias` from attention.
 * @throws {ShapeError} unless numHeads divides embedDim, or x is `[B, L, embedDim]`; {HeedError} for an unknown activation or dropoutP outside
 * [0, 1).
 *
 * Time O(B L embedDim (4 embedDim + 2 feedForwardDim + 2 L)), less what the mask empties; memory grows with L, not L².
 * @see Vaswani et al. 2017, §3.1 (arXiv:1706.03762); Xiong et al. 2020 (arXiv:2002.04745, pre-norm)
 * @example
 * const layer = new TransformerEncoderLayer(64, 4, { key, normFirst: true, activation: "gelu" });
 * const y = layer.forward(x, { mask: padding(lengths) });
 */
export class TransformerEncoderLayer extends Module {
  readonly self_attn: MultiHeadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout: Dropout;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly activation: "relu" | "gelu";
  readonly normFirst: boolean;

  constructor(
    embedDim: number,
    numHeads: number,
    {
      key,
      feedForwardDim = 4 * embedDim,
      activation = "relu",
      normFirst = false,
      dropoutP = 0,
      layerNormEps: eps = 1e-5,
      ...heads
    }: EncoderLayerOptions,
  ) {
    super();
    requireActivation("TransformerEncoderLayer", activation);
    this.self_attn = new MultiHeadAttention(embedDim, numHeads, { ...heads, key: key.split("self_attn"), dropoutP });
    this.linear1 = new Linear(embedDim, feedForwardDim, { key: key.split("linear1") });
    this.linear2 = new Linear(feedForwardDim, embedDim, { key: key.split("linear2") });
    this.norm1 = new LayerNorm(embedDim, { eps });
    this.norm2 = new LayerNorm(embedDim, { eps });
    this.dropout = new Dropout(dropoutP);
    this.dropout1 = new Dropout(dropoutP);
    this.dropout2 = new Dropout(dropoutP);
    this.activation = activation;
    this.normFirst = normFirst;
  }

  forward(x: Tensor, options: EncoderCallOptions = {}): Tensor {
    if (this.normFirst) {
      const { sum, output } = this.norm2.addForward(x, this.#attend(this.norm1.forward(x), options));
      return sum.add(this.#feedForward(output));
    }
    const y = this.norm1.addForward(x, this.#attend(x, options)).output;
    return this.norm2.addForward(y, this.#feedForward(y)).output;
  }

  #attend(x: Tensor, options: EncoderCallOptions): Tensor {
    return this.dropout1.forward(this.self_attn.forward(x, x, x, { ...options, returnWeights: false }));
  }

  #feedForward(x: Tensor): Tensor {
    return this.dropout2.forward(feedForward(this, x));
  }
}
