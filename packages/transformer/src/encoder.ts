import { ShapeError, type Tensor } from "@heed/tensor";
import { LayerNorm, Module } from "@heed/nn";
import { layerCache, type StackCacheUse } from "./decoding-cache.ts";
import { TransformerEncoderLayer, type EncoderCallOptions, type EncoderLayerOptions } from "./encoder-layer.ts";

export interface EncoderOptions extends EncoderLayerOptions {
  readonly numLayers: number;
  /** A layer norm at the end. Default: as `normFirst`. */
  readonly finalNorm?: boolean;
}

/** What each layer gets; with a `cache` (and a causal mask) a stack decodes step by step. */
export type EncoderStackCallOptions = Pick<EncoderCallOptions, "mask" | "bias"> & StackCacheUse;

/**
 * Encoder layers in a row, with a last norm if asked for: `[B, L, embedDim]` → the same. Each layer gets the same mask and bias; without layers x
 * passes as it is. With a causal mask and a `cache` (a `DecodingCache`) it is a decoder without memory. Time O(numLayers · a layer's). Parameters as
 * in `torch.nn.TransformerEncoder`: `layers.0.self_attn.in_proj_weight` … `norm.weight`, `norm.bias`.
 *
 * Letters: B batch, L tokens.
 * @throws {ShapeError} unless numLayers is a whole number from 0 on; otherwise as `TransformerEncoderLayer`.
 * @see Vaswani et al. 2017, §3.1 (arXiv:1706.03762)
 */
export class TransformerEncoder extends Module {
  readonly layers: readonly TransformerEncoderLayer[];
  readonly norm: LayerNorm | null;

  constructor(embedDim: number, numHeads: number, { numLayers, finalNorm, ...options }: EncoderOptions) {
    super();
    if (!Number.isInteger(numLayers) || numLayers < 0) {
      throw new ShapeError("TransformerEncoder", "numLayers must be a whole number, at least 0", { numLayers });
    }
    this.layers = Array.from(
      { length: numLayers },
      (_, i) => new TransformerEncoderLayer(embedDim, numHeads, { ...options, key: options.key.split("layers").split(i) }),
    );
    this.norm = (finalNorm ?? options.normFirst ?? false) ? new LayerNorm(embedDim, { eps: options.layerNormEps ?? 1e-5 }) : null;
  }

  forward(x: Tensor, { cache, lengths, ...terms }: EncoderStackCallOptions = {}): Tensor {
    const y = this.layers.reduce((h, layer, i) => layer.forward(h, { ...terms, ...layerCache(cache, lengths, i) }), x);
    return this.norm === null ? y : this.norm.forward(y);
  }
}
