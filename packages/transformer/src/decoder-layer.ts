import { HeedError, type Tensor } from "@heed/tensor";
import { MultiHeadAttention, type CacheUse, type KeyValueCache, type MultiHeadCallOptions } from "@heed/attention";
import { Dropout, LayerNorm, Linear, Module } from "@heed/nn";
import type { EncoderLayerOptions } from "./encoder-layer.ts";
import { feedForward, requireActivation } from "./internal/feed-forward.ts";

/** As of an encoder's layer; `rotation` turns self-attention alone. */
export type DecoderLayerOptions = EncoderLayerOptions;

/** Masks and biases of self-attention, and of attention to the memory. */
export interface DecoderTerms extends Pick<MultiHeadCallOptions, "mask" | "bias"> {
  /** true = may attend to that place of the memory. */
  readonly memoryMask?: MultiHeadCallOptions["mask"];
  readonly memoryBias?: MultiHeadCallOptions["bias"];
}

/** What a layer keeps from call to call. */
export interface DecoderCacheUse extends CacheUse {
  /** Keys and values of the memory: filled by the first call, read by all. */
  readonly memoryCache?: KeyValueCache;
  /** With a cache: how many places of each sample's memory are real, at the first call. Default all. */
  readonly memoryLengths?: ArrayLike<number>;
}

export type DecoderCallOptions = DecoderTerms & DecoderCacheUse;

/**
 * Self-attention, attention to a memory (what an encoder said), then a feed-forward `linear2(activation(linear1(x)))`, each with a residual and a
 * norm: x `[B, L, embedDim]`, memory `[B, S, embedDim]` → `[B, L, embedDim]`.
 * Post-norm: x = norm1(x + self(x)); x = norm2(x + cross(x)); x = norm3(x + ff(x)). Pre-norm: x += self(norm1(x)); x += cross(norm2(x));
 * x += ff(norm3(x)).
 *
 * Parameters as in `torch.nn.TransformerDecoderLayer`: `self_attn.…`, `multihead_attn.…`, `linear1`, `linear2`, `norm1`, `norm2`, `norm3`. Nothing is
 * causal by itself: pass `mask: causal()`. `rotation` turns self-attention alone. In `training`, `dropoutP` drops attention weights, the hidden
 * layer, and what each part adds. A layer without memory is a `TransformerEncoderLayer` with a causal mask.
 *
 * Letters: B batch, L tokens, S places of the memory. A token that may attend to nothing gets the bias of that attention's projection.
 * @throws {ShapeError} unless numHeads divides embedDim, or when x or memory have other widths; {HeedError} for an unknown activation, dropoutP
 * outside [0, 1), or no memory.
 *
 * Time O(B (L (6 embedDim + 2 feedForwardDim + 2 L + 2 S) + 2 S embedDim) embedDim); a cached step pays for its own tokens, and reads S + L keys.
 * @see Vaswani et al. 2017, §3.1 (arXiv:1706.03762); Xiong et al. 2020 (arXiv:2002.04745, pre-norm)
 * @example
 * const layer = new TransformerDecoderLayer(64, 4, { key, normFirst: true });
 * const y = layer.forward(x, memory, { mask: causal(), memoryMask: padding(lengths) });
 */
export class TransformerDecoderLayer extends Module {
  readonly self_attn: MultiHeadAttention;
  readonly multihead_attn: MultiHeadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout: Dropout;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout;
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
      rotation,
      ...heads
    }: DecoderLayerOptions,
  ) {
    super();
    requireActivation("TransformerDecoderLayer", activation);
    this.self_attn = new MultiHeadAttention(embedDim, numHeads, { ...heads, rotation, key: key.split("self_attn"), dropoutP });
    this.multihead_attn = new MultiHeadAttention(embedDim, numHeads, { ...heads, key: key.split("multihead_attn"), dropoutP });
    this.linear1 = new Linear(embedDim, feedForwardDim, { key: key.split("linear1") });
    this.linear2 = new Linear(feedForwardDim, embedDim, { key: key.split("linear2") });
    this.norm1 = new LayerNorm(embedDim, { eps });
    this.norm2 = new LayerNorm(embedDim, { eps });
    this.norm3 = new LayerNorm(embedDim, { eps });
    this.dropout = new Dropout(dropoutP);
    this.dropout1 = new Dropout(dropoutP);
    this.dropout2 = new Dropout(dropoutP);
    this.dropout3 = new Dropout(dropoutP);
    this.activation = activation;
    this.normFirst = normFirst;
  }

  /** @param memory `[B, S, embedDim]`; `undefined` where `memoryCache` holds it already */
  forward(x: Tensor, memory: Tensor | undefined, options: DecoderCallOptions = {}): Tensor {
    const { norm1, norm2, norm3 } = this;
    if (this.normFirst) {
      const first = norm2.addForward(x, this.#attend(norm1.forward(x), options));
      const second = norm3.addForward(first.sum, this.#attendToMemory(first.output, memory, options));
      return second.sum.add(this.#feedForward(second.output));
    }
    const first = norm1.addForward(x, this.#attend(x, options)).output;
    const second = norm2.addForward(first, this.#attendToMemory(first, memory, options)).output;
    return norm3.addForward(second, this.#feedForward(second)).output;
  }

  #attend(x: Tensor, { mask, bias, cache, lengths }: DecoderCallOptions): Tensor {
    return this.dropout1.forward(this.self_attn.forward(x, x, x, { mask, bias, cache, lengths, returnWeights: false }));
  }

  #attendToMemory(
    x: Tensor,
    memory: Tensor | undefined,
    { memoryMask, memoryBias, memoryCache, memoryLengths }: DecoderCallOptions,
  ): Tensor {
    const terms = { mask: memoryMask, bias: memoryBias };
    const missing = () =>
      new HeedError("TransformerDecoderLayer", "there must be a memory to attend to", {}, "Pass what the encoder said.");
    if (memoryCache === undefined) {
      if (memory === undefined) throw missing();
      if (memoryLengths !== undefined) {
        throw new HeedError(
          "TransformerDecoderLayer",
          "memoryLengths go with a cache",
          {},
          "Padding is a mask: memoryMask: padding(lengths).",
        );
      }
      return this.dropout2.forward(this.multihead_attn.forward(x, memory, memory, { ...terms, returnWeights: false }));
    }
    if (memoryCache.length === 0) {
      if (memory === undefined) throw missing();
      this.multihead_attn.remember(memoryCache, memory, memory, { lengths: memoryLengths });
    }
    return this.dropout2.forward(this.multihead_attn.recall(x, memoryCache, terms));
  }

  #feedForward(x: Tensor): Tensor {
    return this.dropout3.forward(feedForward(this, x));
  }
}
