import { poolingKernels, ShapeError } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { sizeOf, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { pairOf, requireImages, type Pair } from "./internal/images.ts";
import { windowsOf, type MaxPool2dOptions } from "./max-pool2d.ts";
import { widened } from "./widened.ts";

export interface AvgPool2dOptions extends Omit<MaxPool2dOptions, "padding"> {
  /** Zeros on both sides, at most half the kernel. Default 0. */
  readonly padding?: Pair;
  /** Whether zeros of the padding count in the divisor. Default true. */
  readonly countIncludePad?: boolean;
}

/**
 * The mean of each window, per channel. Windows that do not fit are left out.
 *
 * Letters: B batch, C channels, H and W height and width.
 * @param x `[B, C, H, W]`
 * @returns `[B, C, ⌊(H + 2 · padding − kernel) / stride⌋ + 1, …]`
 * @throws {ShapeError} as `maxPool2d`.
 *
 * Time O(size of the result · kernel).
 * @see PyTorch's `torch.nn.functional.avg_pool2d`
 */
export function avgPool2d(x: Tensor, options: AvgPool2dOptions): Tensor {
  const { kh, kw, strideH, strideW, top, left, outH, outW } = windowsOf("avgPool2d", x, options);
  const [H, W] = x.shape.slice(2);
  const count = options.countIncludePad === false ? 0 : 1;
  return pooled(
    "avgPool2d",
    widened(x),
    [outH, outW],
    (read, write, planes, dtype) =>
      poolingKernels.on(dtype).avgPool(read, write, planes, H, W, kh, kw, strideH, strideW, top, left, outH, outW, count),
    (read, write, planes, dtype) =>
      poolingKernels.on(dtype).avgPoolGrad(read, write, planes, H, W, kh, kw, strideH, strideW, top, left, outH, outW, count),
  );
}

/**
 * Means over a given number of bins: bin i of n covers rows `⌊i · H / n⌋ … ⌈(i + 1) · H / n⌉ − 1`, and so for columns. Size 1 is
 * global average pooling.
 *
 * Letters: B batch, C channels, H and W height and width.
 * @param x `[B, C, H, W]`, H and W not 0
 * @param size a number of rows and columns, or [rows, columns]
 * @returns `[B, C, rows, columns]`
 * @throws {ShapeError} when x is no batch of images, or without pixels.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.nn.functional.adaptive_avg_pool2d`
 */
export function adaptiveAvgPool2d(x: Tensor, size: Pair): Tensor {
  requireImages("adaptiveAvgPool2d", x);
  const [outH, outW] = pairOf("adaptiveAvgPool2d", "size", size, 1);
  const [H, W] = x.shape.slice(2);
  if (H === 0 || W === 0) throw new ShapeError("adaptiveAvgPool2d", "an image needs at least one pixel", { x: x.shape });
  return pooled(
    "adaptiveAvgPool2d",
    widened(x),
    [outH, outW],
    (read, write, planes, dtype) => poolingKernels.on(dtype).adaptiveAvgPool(read, write, planes, H, W, outH, outW),
    (read, write, planes, dtype) => poolingKernels.on(dtype).adaptiveAvgPoolGrad(read, write, planes, H, W, outH, outW),
  );
}

type Kernel = (read: number, write: number, planes: number, dtype: "float32" | "float64") => void;

/** A linear map of planes whose gradient is the other kernel, and so on in turn. */
function pooled(where: string, x: Tensor, size: Shape, kernel: Kernel, adjoint: Kernel): Tensor {
  const dtype = requireReal(where, x.dtype);
  const shape = [...x.shape.slice(0, 2), ...size];
  const before = x.shape.slice(2);
  const out = computeOne(where, [packed(x)], shape, dtype, ([read], write) => {
    if (sizeOf(shape) > 0) kernel(read, write, shape[0] * shape[1], dtype);
  });
  return record(where, out, [x], [], (g) => [pooled(where, g, before, adjoint, kernel)]);
}
