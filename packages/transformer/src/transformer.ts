import type { Tensor } from "@heed/tensor";
import { Module } from "@heed/nn";
import type { DecoderTerms } from "./decoder-layer.ts";
import { TransformerDecoder } from "./decoder.ts";
import { TransformerEncoder } from "./encoder.ts";
import type { EncoderLayerOptions } from "./encoder-layer.ts";

export interface TransformerOptions extends EncoderLayerOptions {
  /** Default 6. */
  readonly numEncoderLayers?: number;
  /** Default 6. */
  readonly numDecoderLayers?: number;
}

/** Masks and biases (true = may attend): of the source, of the target (`mask`, `bias`), and of what the target sees of the source. */
export interface TransformerCallOptions extends DecoderTerms {
  readonly sourceMask?: DecoderTerms["mask"];
  readonly sourceBias?: DecoderTerms["bias"];
}

/**
 * Encoder and decoder, each with a last norm: source `[B, S, embedDim]`, target `[B, L, embedDim]` → `[B, L, embedDim]`. Both are embedded already,
 * positions and all; what comes out is not yet logits.
 *
 * Parameters as in `torch.nn.Transformer`: `encoder.layers.0.…`, `encoder.norm.…`, `decoder.layers.0.…`, `decoder.norm.…`. Nothing is causal by
 * itself: pass `mask: causal()`; padding of the source is both `sourceMask` and `memoryMask`. Step by step: `encoder.forward` once, then
 * `decoder.forward` with a `DecodingCache`, or `generate`.
 *
 * Letters: B batch, S source tokens, L target tokens. Where all of a source is masked, cross-attention gives its bias.
 * @throws as `TransformerEncoder` and `TransformerDecoder`.
 *
 * Time O(numEncoderLayers + numDecoderLayers) times a layer's.
 * @see Vaswani et al. 2017 (arXiv:1706.03762)
 * @example
 * const model = new Transformer(64, 4, { key, numEncoderLayers: 2, numDecoderLayers: 2 });
 * const y = model.forward(source, target, { mask: causal(), sourceMask: padding(lengths), memoryMask: padding(lengths) });
 */
export class Transformer extends Module {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;

  constructor(embedDim: number, numHeads: number, { key, numEncoderLayers = 6, numDecoderLayers = 6, ...options }: TransformerOptions) {
    super();
    const layers = { ...options, finalNorm: true };
    this.encoder = new TransformerEncoder(embedDim, numHeads, { ...layers, key: key.split("encoder"), numLayers: numEncoderLayers });
    this.decoder = new TransformerDecoder(embedDim, numHeads, { ...layers, key: key.split("decoder"), numLayers: numDecoderLayers });
  }

  forward(source: Tensor, target: Tensor, { sourceMask, sourceBias, ...terms }: TransformerCallOptions = {}): Tensor {
    return this.decoder.forward(target, this.encoder.forward(source, { mask: sourceMask, bias: sourceBias }), terms);
  }
}
