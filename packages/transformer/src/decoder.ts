import { ShapeError, type Tensor } from "@heed/tensor";
import { LayerNorm, Module } from "@heed/nn";
import { TransformerDecoderLayer, type DecoderCacheUse, type DecoderLayerOptions, type DecoderTerms } from "./decoder-layer.ts";
import { layerCache, type StackCacheUse } from "./decoding-cache.ts";

export interface DecoderOptions extends DecoderLayerOptions {
  readonly numLayers: number;
  /** A layer norm at the end. Default: as `normFirst`. */
  readonly finalNorm?: boolean;
}

/** What each layer gets; with a `cache` a stack decodes step by step, and reads the memory at the first step alone. */
export type DecoderStackCallOptions = DecoderTerms & StackCacheUse & Pick<DecoderCacheUse, "memoryLengths">;

/**
 * Decoder layers in a row, with a last norm if asked for: x `[B, L, embedDim]`, memory `[B, S, embedDim]` → `[B, L, embedDim]`. Each layer gets the
 * same memory, masks and biases; without layers x passes as it is. Time O(numLayers · a layer's). Parameters as in
 * `torch.nn.TransformerDecoder`: `layers.0.self_attn.in_proj_weight` … `norm.weight`, `norm.bias`.
 *
 * Letters: B batch, L tokens, S places of the memory.
 * @throws {ShapeError} unless numLayers is a whole number from 0 on; otherwise as `TransformerDecoderLayer`.
 * @see Vaswani et al. 2017, §3.1 (arXiv:1706.03762)
 */
export class TransformerDecoder extends Module {
  readonly layers: readonly TransformerDecoderLayer[];
  readonly norm: LayerNorm | null;

  constructor(embedDim: number, numHeads: number, { numLayers, finalNorm, ...options }: DecoderOptions) {
    super();
    if (!Number.isInteger(numLayers) || numLayers < 0) {
      throw new ShapeError("TransformerDecoder", "numLayers must be a whole number, at least 0", { numLayers });
    }
    this.layers = Array.from(
      { length: numLayers },
      (_, i) => new TransformerDecoderLayer(embedDim, numHeads, { ...options, key: options.key.split("layers").split(i) }),
    );
    this.norm = (finalNorm ?? options.normFirst ?? false) ? new LayerNorm(embedDim, { eps: options.layerNormEps ?? 1e-5 }) : null;
  }

  /** @param memory `[B, S, embedDim]`; `undefined` where the cache holds it already */
  forward(x: Tensor, memory: Tensor | undefined, { cache, lengths, memoryLengths, ...terms }: DecoderStackCallOptions = {}): Tensor {
    const held = (i: number): DecoderCacheUse => ({
      ...layerCache(cache, lengths, i),
      memoryCache: cache?.cross(i),
      memoryLengths,
    });
    const y = this.layers.reduce((h, layer, i) => layer.forward(h, memory, { ...terms, ...held(i) }), x);
    return this.norm === null ? y : this.norm.forward(y);
  }
}
