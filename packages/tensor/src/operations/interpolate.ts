import { ShapeError, UnsupportedError } from "@heed/kernels";
import { tensor } from "../core/construct.ts";
import { requireReal, type RealDType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import { indexSelect } from "./index-select.ts";
import { pairOf, requireImages, type Pair } from "./internal/images.ts";
import { matmul } from "./matmul.ts";
import { transpose } from "./views.ts";
import { widened } from "./widened.ts";

export interface InterpolateOptions {
  /** Height and width of the result, or one number for both. */
  readonly size: Pair;
  /** `nearest` (default) takes pixel ⌊i · in / out⌋; `bilinear` and `bicubic` (Keys, a = −0.75) weigh 2 and 4 per axis. */
  readonly mode?: "nearest" | "bilinear" | "bicubic";
  /** The corner pixels' centres stay in place, rather than the image's edges. Not for nearest. Default false. */
  readonly alignCorners?: boolean;
  /** Widens the kernel where the image shrinks, so that no pixel is skipped (bicubic: a = −0.5 then). Not with `alignCorners`. Default false. */
  readonly antialias?: boolean;
}

/**
 * Resizes images, as `torch.nn.functional.interpolate` does.
 *
 * Letters: B batch, C channels, H and W height and width, primed of the result.
 * @param x `[B, C, H, W]`, H and W not 0
 * @returns `[B, C, …size]`
 * @throws {ShapeError} when x is no batch of images, or the size not positive; {UnsupportedError} for options that exclude each other.
 *
 * Rows and columns are weighed one after the other, each by one matrix product; so a pixel that is NaN or infinite spoils
 * its row and column (not with `nearest`, which copies). Time O(B C H′ W (H + W′)).
 * @see PyTorch's `torch.nn.functional.interpolate`; Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing"
 */
export function interpolate(x: Tensor, { size, mode = "nearest", alignCorners = false, antialias = false }: InterpolateOptions): Tensor {
  requireImages("interpolate", x);
  const [outH, outW] = pairOf("interpolate", "size", size, 1);
  const [, , H, W] = x.shape;
  if (H === 0 || W === 0) throw new ShapeError("interpolate", "an image needs at least one pixel", { x: x.shape });
  if (!["nearest", "bilinear", "bicubic"].includes(mode))
    throw new UnsupportedError("interpolate", "mode must be nearest, bilinear or bicubic", { mode });
  if (mode === "nearest") {
    if (alignCorners || antialias)
      throw new UnsupportedError("interpolate", "mode nearest takes neither alignCorners nor antialias", { alignCorners, antialias });
    return indexSelect(indexSelect(x, nearest(H, outH), 2), nearest(W, outW), 3);
  }
  if (alignCorners && antialias)
    throw new UnsupportedError("interpolate", "alignCorners and antialias exclude each other", { alignCorners, antialias });
  const image = widened(x);
  const dtype = requireReal("interpolate", image.dtype);
  const weights = (from: number, to: number) => (antialias ? wide(from, to, mode) : taps(from, to, mode, alignCorners));
  const rows = outH === H && !antialias ? image : matmul(matrix(weights(H, outH), H, dtype), image);
  return outW === W && !antialias ? rows : matmul(rows, transpose(matrix(weights(W, outW), W, dtype)));
}

function nearest(from: number, to: number): Tensor {
  return tensor(Int32Array.from({ length: to }, (_, i) => Math.floor((i * from) / to)));
}

/** Of one output: input positions and their weights. */
type Taps = readonly (readonly [position: number, weight: number])[];

function matrix(outputs: readonly Taps[], from: number, dtype: RealDType): Tensor {
  const values = new Float64Array(outputs.length * from);
  outputs.forEach((list, i) => list.forEach(([position, weight]) => (values[i * from + position] += weight)));
  return tensor(values, { shape: [outputs.length, from], dtype });
}

function taps(from: number, to: number, mode: "bilinear" | "bicubic", alignCorners: boolean): Taps[] {
  const clamp = (position: number) => Math.min(Math.max(position, 0), from - 1);
  return Array.from({ length: to }, (_, i) => {
    const exact = alignCorners ? (to === 1 ? 0 : (i * (from - 1)) / (to - 1)) : ((i + 0.5) * from) / to - 0.5;
    const at = mode === "bilinear" ? Math.max(exact, 0) : exact;
    const first = Math.floor(at);
    const part = at - first;
    if (mode === "bilinear")
      return [
        [clamp(first), 1 - part],
        [clamp(first + 1), part],
      ];
    return [-1, 0, 1, 2].map((step) => [clamp(first + step), cubic(step - part, -0.75)] as const);
  });
}

/** The kernel spans as many input pixels more as the image shrinks; its weights are made to sum to 1. */
function wide(from: number, to: number, mode: "bilinear" | "bicubic"): Taps[] {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const reach = (mode === "bilinear" ? 1 : 2) * widening;
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), from);
    const list = Array.from({ length: end - first }, (_, j): [number, number] => {
      const distance = (first + j - centre + 0.5) / widening;
      return [first + j, mode === "bilinear" ? Math.max(0, 1 - Math.abs(distance)) : cubic(distance, -0.5)];
    });
    const total = list.reduce((sum, [, weight]) => sum + weight, 0);
    return list.map(([position, weight]) => [position, weight / total] as const);
  });
}

/** Keys's cubic convolution kernel. */
function cubic(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}
