import { maskedFill, mul, ShapeError, sigmoid, silu, split, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import { Dropout, LayerNorm, Linear, Module } from "@heed/nn";
import { DepthwiseConv } from "./internal/depthwise-conv.ts";

export interface ConformerConvolutionOptions {
  readonly key: RandomKey;
  /** Frames that the filter of a channel reaches over; odd, so that it is centred. Default 31. */
  readonly kernelSize?: number;
  /** Default 0. */
  readonly dropoutP?: number;
  /** Default 1e-5. */
  readonly layerNormEps?: number;
}

/**
 * The convolution of a Conformer, without its residual: `dropout(pointwise2(silu(norm2(depthwise(glu(pointwise1(norm1(x))))))))`,
 * `[B, L, embedDim]` → the same. `pointwise1` doubles the width, glu multiplies one half by the sigmoid of the other, `depthwise` slides a filter
 * of `kernelSize` frames over each channel, with zeros beyond both ends.
 *
 * `norm2` is a layer norm, where the paper has a batch norm: so a frame's result depends neither on other samples nor on padding, in training too.
 * Frames from `lengths` on are zeros to the filter, as is what lies beyond the end: nothing of them, be it NaN, reaches a real frame.
 *
 * Letters: B batch, L frames. Parameters `norm1`, `norm2` (`weight`, `bias` `[embedDim]`), `pointwise1.weight` `[2 · embedDim, embedDim]`,
 * `depthwise.weight` `[embedDim, 1, kernelSize]`, `pointwise2.weight` `[embedDim, embedDim]`, and their biases.
 * @throws {ShapeError} unless kernelSize is odd and embedDim a whole number; when x is not `[B, L, embedDim]`, or lengths are not B whole numbers from 0 to L.
 *
 * Time O(B L embedDim (3 embedDim + kernelSize)).
 * @see Gulati et al. 2020, §2.2 (arXiv:2005.08100)
 */
export class ConformerConvolution extends Module {
  readonly norm1: LayerNorm;
  readonly pointwise1: Linear;
  readonly depthwise: DepthwiseConv;
  readonly norm2: LayerNorm;
  readonly pointwise2: Linear;
  readonly dropout: Dropout;
  readonly embedDim: number;

  constructor(embedDim: number, { key, kernelSize = 31, dropoutP = 0, layerNormEps: eps = 1e-5 }: ConformerConvolutionOptions) {
    super();
    if (!Number.isInteger(kernelSize) || kernelSize < 1 || kernelSize % 2 === 0)
      throw new ShapeError("ConformerConvolution", "kernelSize must be odd, at least 1", { kernelSize }, "Then a filter has a middle.");
    this.embedDim = embedDim;
    this.norm1 = new LayerNorm(embedDim, { eps });
    this.pointwise1 = new Linear(embedDim, 2 * embedDim, { key: key.split("pointwise1") });
    this.depthwise = new DepthwiseConv(embedDim, kernelSize, key.split("depthwise"));
    this.norm2 = new LayerNorm(embedDim, { eps });
    this.pointwise2 = new Linear(embedDim, embedDim, { key: key.split("pointwise2") });
    this.dropout = new Dropout(dropoutP);
  }

  /** @param options.lengths how many frames of each sample are real, `[B]`. Default all */
  forward(x: Tensor, { lengths }: { readonly lengths?: ArrayLike<number> } = {}): Tensor {
    if (x.rank !== 3 || x.shape[2] !== this.embedDim)
      throw new ShapeError("ConformerConvolution", `x must be [B, L, ${this.embedDim}]`, { x: x.shape });
    const padded = lengths === undefined ? undefined : paddedFrames(x, lengths);
    const [content, gate] = split(this.pointwise1.forward(this.norm1.forward(x)), this.embedDim, -1);
    const gated = mul(content, sigmoid(gate));
    const slid = this.depthwise.forward(padded === undefined ? gated : maskedFill(gated, padded, 0));
    return this.dropout.forward(this.pointwise2.forward(silu(this.norm2.forward(slid))));
  }
}

/** `[B, L, 1]`, true from each sample's length on. */
function paddedFrames({ shape: [B, L] }: Tensor, lengths: ArrayLike<number>): Tensor {
  const all = Array.from(lengths);
  if (all.length !== B || !all.every((n) => Number.isInteger(n) && n >= 0 && n <= L))
    throw new ShapeError("ConformerConvolution", "lengths must be B whole numbers from 0 to L", { lengths: all, B, L });
  return tensor(
    Uint8Array.from({ length: B * L }, (_, at) => Number(at % L >= all[Math.floor(at / L)])),
    { shape: [B, L, 1], dtype: "bool" },
  );
}
