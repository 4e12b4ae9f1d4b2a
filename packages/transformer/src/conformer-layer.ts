import { mul, Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import { MultiHeadAttention, type MultiHeadAttentionOptions, type MultiHeadCallOptions } from "@heed/attention";
import { and, fromTensor, padding } from "@heed/masks";
import { Dropout, FeedForward, LayerNorm, Module } from "@heed/nn";
import { ConformerConvolution, type ConformerConvolutionOptions } from "./conformer-convolution.ts";

export interface ConformerLayerOptions
  extends ConformerConvolutionOptions, Pick<MultiHeadAttentionOptions, "numKeyValueHeads" | "rotation"> {
  /** Width of the hidden layers of both feed-forward networks. Default 4 · embedDim. */
  readonly feedForwardDim?: number;
}

/** What a layer passes on to its self-attention, and how many frames of each sample are real: those behind are heard by nobody. */
export type ConformerCallOptions = Pick<MultiHeadCallOptions, "mask" | "bias"> & { readonly lengths?: ArrayLike<number> };

/**
 * A Conformer block, attention for what is far and convolution for what is near: `[B, L, embedDim]` → the same.
 * x += ½ ff1(norm_ff1(x)); x += self_attn(norm_attn(x)); x += conv(x); x = norm(x + ½ ff2(norm_ff2(x))). The feed-forward networks are
 * `fc2(silu(fc1(x)))`. In `training`, `dropoutP` drops attention weights, the hidden layers, and what each part adds.
 *
 * Positions are the caller's: `rotation: rope`, or a `bias` of each call (`shaw`, `t5Bias`, `alibi`); the convolution tells neighbours apart by
 * itself. The paper's own, of Transformer-XL, adds to `shaw` a bias per key. `mask: window(8, 8)` makes the attention truncated, and time linear in L.
 * `lengths` closes padded frames to attention and to the convolution; what stands in their places is computed and means nothing.
 *
 * Letters: B batch, L frames. Parameters: `ff1.fc1`, `ff1.fc2`, `ff2.fc1`, `ff2.fc2`, `self_attn` (as `MultiHeadAttention`), `conv` (as
 * `ConformerConvolution`), `norm_ff1`, `norm_attn`, `norm_ff2`, `norm`. A frame that may attend to nothing gets `self_attn.out_proj.bias` from attention.
 * @throws {ShapeError} unless numHeads divides embedDim and kernelSize is odd; when x is not `[B, L, embedDim]`, or lengths are not B whole
 * numbers from 0 to L; {HeedError} for dropoutP outside [0, 1).
 *
 * Time O(B L embedDim (7 embedDim + 4 feedForwardDim + kernelSize + 2 L)), less what the mask empties; memory grows with L, not L².
 * @see Gulati et al. 2020, §2 (arXiv:2005.08100)
 * @example
 * const layer = new ConformerLayer(64, 4, { key, kernelSize: 15, rotation: rope });
 * const y = layer.forward(frames, { lengths, mask: window(16, 16) });
 */
export class ConformerLayer extends Module {
  readonly norm_ff1: LayerNorm;
  readonly ff1: FeedForward;
  readonly norm_attn: LayerNorm;
  readonly self_attn: MultiHeadAttention;
  readonly conv: ConformerConvolution;
  readonly norm_ff2: LayerNorm;
  readonly ff2: FeedForward;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;

  constructor(embedDim: number, numHeads: number, options: ConformerLayerOptions) {
    super();
    const { key, feedForwardDim = 4 * embedDim, dropoutP = 0, layerNormEps: eps = 1e-5, kernelSize, ...heads } = options;
    const feedForward = (name: string) => new FeedForward(embedDim, feedForwardDim, { key: key.split(name), activation: "silu", dropoutP });
    this.self_attn = new MultiHeadAttention(embedDim, numHeads, { ...heads, key: key.split("self_attn"), dropoutP });
    this.conv = new ConformerConvolution(embedDim, {
      key: key.split("conv"),
      dropoutP,
      layerNormEps: eps,
      ...(kernelSize === undefined ? {} : { kernelSize }),
    });
    this.ff1 = feedForward("ff1");
    this.ff2 = feedForward("ff2");
    this.norm_ff1 = new LayerNorm(embedDim, { eps });
    this.norm_attn = new LayerNorm(embedDim, { eps });
    this.norm_ff2 = new LayerNorm(embedDim, { eps });
    this.norm = new LayerNorm(embedDim, { eps });
    this.dropout = new Dropout(dropoutP);
  }

  forward(x: Tensor, { lengths, mask, bias }: ConformerCallOptions = {}): Tensor {
    const terms = { ...(bias === undefined ? {} : { bias }), ...maskOf(mask, lengths) };
    const half = (ff: FeedForward, y: Tensor) => mul(this.dropout.forward(ff.forward(y)), 0.5);
    const first = this.norm_attn.addForward(x, half(this.ff1, this.norm_ff1.forward(x)));
    const attended = this.dropout.forward(this.self_attn.forward(first.output, first.output, first.output, terms));
    const heard = first.sum.add(attended);
    const last = this.norm_ff2.addForward(heard, this.conv.forward(heard, lengths === undefined ? {} : { lengths }));
    return this.norm.addForward(last.sum, half(this.ff2, last.output)).output;
  }
}

/** The caller's mask, less padding. */
function maskOf(mask: Tensor | Mask | undefined, lengths: ArrayLike<number> | undefined): { mask?: Tensor | Mask } {
  if (lengths === undefined) return mask === undefined ? {} : { mask };
  if (mask === undefined) return { mask: padding(lengths) };
  return { mask: and(mask instanceof Tensor ? fromTensor(mask) : mask, padding(lengths)) };
}
