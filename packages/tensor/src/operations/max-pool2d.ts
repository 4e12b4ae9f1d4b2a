import { poolingKernels, ShapeError } from "@heed/kernels";
import { compute, computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fillZero } from "./fill.ts";
import { gather } from "./gather.ts";
import { pairOf, requireImages, type Pair } from "./internal/images.ts";
import { reshape } from "./views.ts";
import { widened } from "./widened.ts";

export interface MaxPool2dOptions {
  /** Height and width of a window. */
  readonly kernelSize: Pair;
  /** From one window to the next. Default: `kernelSize`. */
  readonly stride?: Pair;
  /** Pixels of −∞ on both sides, at most half the kernel. Default 0. */
  readonly padding?: Pair;
}

/**
 * The largest pixel of each window, per channel. Windows that do not fit are left out; of equal pixels the first gets the
 * gradient; NaN wins.
 *
 * Letters: B batch, C channels, H and W height and width.
 * @param x `[B, C, H, W]`
 * @returns `[B, C, ⌊(H + 2 · padding − kernel) / stride⌋ + 1, …]`
 * @throws {ShapeError} when x is no batch of images, a window is larger than the padded image, or padding more than half the kernel.
 *
 * Time O(size of the result · kernel).
 * @see PyTorch's `torch.nn.functional.max_pool2d`
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions): Tensor {
  const { kh, kw, strideH, strideW, top, left, outH, outW } = windowsOf("maxPool2d", x, options);
  const image = widened(x);
  const dtype = requireReal("maxPool2d", image.dtype);
  const [B, C, H, W] = x.shape;
  const shape = [B, C, outH, outW];
  const [out, places] = compute(
    "maxPool2d",
    [packed(image)],
    [
      { shape, dtype },
      { shape, dtype: "int32" },
    ],
    ([read], [write, argmax]) => {
      if (B * C > 0) poolingKernels.on(dtype).maxPool(read, write, argmax, B * C, H, W, kh, kw, strideH, strideW, top, left, outH, outW);
    },
  );
  return record("maxPool2d", out, [image], [places], (g) => [toPlaces(g, places, x.shape)]);
}

/** Zeros of `shape` with g added where the maxima stood. */
function toPlaces(g: Tensor, places: Tensor, shape: Shape): Tensor {
  const dtype = requireReal("maxPool2d", g.dtype);
  const [B, C, H, W] = shape;
  const [, , outH, outW] = g.shape;
  const out = computeOne("maxPool2d gradient", [packed(g), places], shape, dtype, ([read, argmax], write) => {
    fillZero(dtype, write, shape);
    if (B * C > 0) poolingKernels.on(dtype).maxPoolGrad(read, argmax, write, B * C, H * W, outH * outW);
  });
  return record("maxPool2d gradient", out, [g], [places], (gg) => {
    const picked = gather(reshape(gg, [B * C, H * W]), reshape(places, [B * C, outH * outW]), 1);
    return [reshape(picked, [B, C, outH, outW])];
  });
}

/** Checked sizes of windows over images. */
export function windowsOf(
  where: string,
  x: Tensor,
  { kernelSize, stride = kernelSize, padding = 0 }: MaxPool2dOptions,
): {
  kh: number;
  kw: number;
  strideH: number;
  strideW: number;
  top: number;
  left: number;
  outH: number;
  outW: number;
} {
  requireImages(where, x);
  const [kh, kw] = pairOf(where, "kernelSize", kernelSize, 1);
  const [strideH, strideW] = pairOf(where, "stride", stride, 1);
  const [top, left] = pairOf(where, "padding", padding, 0);
  const [, , H, W] = x.shape;
  if (2 * top > kh || 2 * left > kw)
    throw new ShapeError(where, "padding must be at most half the kernel", { padding: [top, left], kernelSize: [kh, kw] });
  if (H + 2 * top < kh || W + 2 * left < kw)
    throw new ShapeError(where, "windows must not be larger than the padded image", {
      x: x.shape,
      kernelSize: [kh, kw],
      padding: [top, left],
    });
  return {
    kh,
    kw,
    strideH,
    strideW,
    top,
    left,
    outH: Math.floor((H + 2 * top - kh) / strideH) + 1,
    outW: Math.floor((W + 2 * left - kw) / strideW) + 1,
  };
}
