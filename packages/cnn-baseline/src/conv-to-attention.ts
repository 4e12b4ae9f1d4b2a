import {
  add,
  DTypeError,
  full,
  HeedError,
  matmul,
  pad,
  permute,
  reshape,
  ShapeError,
  slice,
  sum,
  Tensor,
  tensor,
  transpose,
  zeros,
} from "@heed/tensor";
import { attention } from "@heed/attention";
import { quadraticBias } from "@heed/positional";

export interface ConvToAttentionOptions {
  /** Of the convolution, `[O]`. Default none. */
  readonly bias?: Tensor;
  /** How sharply a head looks at its tap: another pixel gets at most e^−alpha of the weight. Default 46, below the rounding of float64. */
  readonly alpha?: number;
}

/** A convolution written as self-attention over pixels: one head per tap of the kernel. */
export interface ConvolutionAsAttention {
  /** Where each head looks, in rows and columns from the query: `[taps, 2]`. */
  readonly centers: Tensor;
  /** `[taps]` */
  readonly alpha: Tensor;
  /** What each head makes of the pixel that it sees: `[taps, O, C]`. */
  readonly valueWeight: Tensor;
  /**
   * `[B, C, H, W]` → `[B, O, H, W]`.
   * @param options.border `"nearest"` (default): a tap beyond the image sees the nearest pixel, since the weights go somewhere; equal to
   * the convolution in the interior. `"zeros"`: a ring of zeros is put around the image, and the result equals the convolution with padding
   * everywhere.
   */
  forward(image: Tensor, options?: { readonly border?: "nearest" | "zeros" }): Tensor;
}

/**
 * The convolution of a kernel as multi-head self-attention (a theorem: attention over pixels can express any convolution). Head h looks at
 * the pixel `center_h` away by the quadratic encoding −alpha (|Δ|² − 2 ⟨center_h, Δ⟩) alone, without queries or keys; its values are that
 * tap's slice of the weight; the heads are summed.
 *
 * Letters: B batch, C channels, O output channels, H × W image, kh × kw kernel, both odd.
 * @param weight `[O, C, kh, kw]`; gradients reach it
 * @throws {ShapeError} for an even kernel, a bias or an image that do not fit; {DTypeError} when dtypes differ; {HeedError} for an alpha
 * that is not above 0.
 *
 * Time O(B kh kw (H W)² O), streaming: memory O(B kh kw H W O). A proof, not a way to convolve.
 * @see Cordonnier, Loukas, Jaggi, "On the Relationship between Self-Attention and Convolutional Layers", 2020, theorem 1 (arXiv:1911.03584)
 * @example
 * const { weight, bias } = new Conv2d(3, 8, { key, kernelSize: 3, padding: "same" });
 * const y = convToAttention(weight, { bias }).forward(image);
 */
export function convToAttention(weight: Tensor, { bias, alpha = 46 }: ConvToAttentionOptions = {}): ConvolutionAsAttention {
  const where = "convToAttention";
  if (!(weight instanceof Tensor) || weight.rank !== 4 || weight.shape.slice(2).some((side) => side % 2 === 0)) {
    const got = { weight: weight instanceof Tensor ? weight.shape : typeof weight };
    throw new ShapeError(where, "weight must be [O, C, kh, kw] with odd kh and kw", got, "An even kernel has no pixel in its middle.");
  }
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new HeedError(where, "alpha must be above 0 and finite", { alpha });
  const [O, C, kh, kw] = weight.shape;
  const dtype = weight.dtype as "float32";
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== O))
    throw new ShapeError(where, "bias must be [O]", { bias: bias.shape, O });
  if (bias !== undefined && bias.dtype !== dtype)
    throw new DTypeError(where, "bias must have the dtype of weight", { bias: bias.dtype, weight: dtype });
  const taps = kh * kw;
  const ring: readonly [number, number] = [(kh - 1) / 2, (kw - 1) / 2];
  const places = Float64Array.from({ length: 2 * taps }, (_, at) => {
    const tap = at >> 1;
    return at % 2 === 0 ? Math.floor(tap / kw) - ring[0] : (tap % kw) - ring[1];
  });
  const centers = tensor(places, { shape: [taps, 2], dtype });
  const spreads = full([taps], alpha, { dtype });
  const valueWeight = permute(reshape(weight, [O, C, taps]), [2, 0, 1]);

  /** Self-attention over the pixels of an image, as it is. */
  const attend = (image: Tensor): Tensor => {
    const [B, , H, W] = image.shape;
    const pixels = transpose(reshape(image, [B, 1, C, H * W])); // [B, 1, pixels, C]
    const values = matmul(pixels, transpose(valueWeight)); // [B, taps, pixels, O]
    const nothing = zeros([1, taps, H * W, 1], { dtype }); // Only places count.
    const heads = attention(nothing, nothing, values, { bias: quadraticBias({ centers, alpha: spreads, grid: [H, W] }) });
    const y = sum(heads, 1); // [B, pixels, O]
    return reshape(transpose(bias === undefined ? y : add(y, bias)), [B, O, H, W]);
  };

  return {
    centers,
    alpha: spreads,
    valueWeight,
    forward(image, { border = "nearest" } = {}) {
      if (!(image instanceof Tensor) || image.rank !== 4 || image.shape[1] !== C || image.shape[2] === 0 || image.shape[3] === 0) {
        const got = { image: image instanceof Tensor ? image.shape : typeof image, C };
        throw new ShapeError(where, "image must be [B, C, H, W], with the channels of weight, and hold a pixel", got);
      }
      if (image.dtype !== dtype) throw new DTypeError(where, "image must have the dtype of weight", { image: image.dtype, weight: dtype });
      if (border === "nearest") return attend(image);
      if (border !== "zeros") throw new HeedError(where, 'border is "nearest" or "zeros"', { border });
      const [top, left] = ring;
      const wider = attend(
        pad(image, [
          [0, 0],
          [0, 0],
          [top, top],
          [left, left],
        ]),
      );
      return slice(slice(wider, 2, top, top + image.shape[2]), 3, left, left + image.shape[3]);
    },
  };
}
