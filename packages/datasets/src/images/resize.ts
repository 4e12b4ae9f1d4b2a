import { ShapeError } from "@heed/tensor";
import type { DecodedImage } from "./decoded-image.ts";

/** A rectangle of the resized picture, in its pixels. */
export interface Crop {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** 255 · 2²² · the overshoot of the cubic stays within 32 bits. */
const precision = 22;

/**
 * Resizes with a bicubic filter (Keys, a = −0.5) that widens when it shrinks, so that fine texture averages out instead of
 * turning into moiré; columns first, then rows, each rounded to a byte. Weights are whole numbers of 2⁻²²: the same bytes on every engine.
 * It is the arithmetic of Pillow's `resize(…, BICUBIC)`.
 *
 * @param crop compute only this part of the result; default all of it
 * @throws {ShapeError} when a size is not a whole number above 0, or the crop reaches beyond.
 *
 * Time O(output pixels · filter width), which does not depend on what the crop leaves out.
 * @see Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing"
 */
export function resize(image: DecodedImage, width: number, height: number, crop: Crop = { x: 0, y: 0, width, height }): DecodedImage {
  const sizes = [width, height, crop.width, crop.height];
  if (
    sizes.some((size) => !Number.isInteger(size) || size < 1) ||
    crop.x < 0 ||
    crop.y < 0 ||
    crop.x + crop.width > width ||
    crop.y + crop.height > height
  ) {
    throw new ShapeError("resize", "sizes must be whole numbers above 0, and the crop within them", {
      width,
      height,
      crop: [crop.x, crop.y, crop.width, crop.height],
    });
  }
  const columns = weightsOf(image.width, width, crop.x, crop.width);
  const rows = weightsOf(image.height, height, crop.y, crop.height);
  // Only the rows that the vertical filter will read.
  const firstRow = rows.starts[0];
  const lastRow = rows.starts[crop.height - 1] + rows.lengths[crop.height - 1];

  const half = 1 << (precision - 1);
  const middle = new Uint8ClampedArray((lastRow - firstRow) * crop.width * 3);
  let to = 0;
  for (let y = firstRow; y < lastRow; y++) {
    for (let x = 0; x < crop.width; x++, to += 3) {
      const count = columns.lengths[x];
      const first = x * columns.reach;
      let from = (y * image.width + columns.starts[x]) * 3;
      let [r, g, b] = [half, half, half];
      for (let k = 0; k < count; k++, from += 3) {
        const weight = columns.weights[first + k];
        r += image.data[from] * weight;
        g += image.data[from + 1] * weight;
        b += image.data[from + 2] * weight;
      }
      middle[to] = r >> precision;
      middle[to + 1] = g >> precision;
      middle[to + 2] = b >> precision;
    }
  }

  const line = crop.width * 3;
  const data = new Uint8ClampedArray(crop.height * line);
  for (let y = 0; y < crop.height; y++) {
    const count = rows.lengths[y];
    const first = y * rows.reach;
    const top = (rows.starts[y] - firstRow) * line;
    for (let i = 0; i < line; i++) {
      let sum = half;
      for (let k = 0; k < count; k++) sum += middle[top + k * line + i] * rows.weights[first + k];
      data[y * line + i] = sum >> precision;
    }
  }
  return { width: crop.width, height: crop.height, data: new Uint8Array(data.buffer) };
}

/**
 * A square of `size` pixels: the shorter side becomes `size`, what the longer one has besides is cut off at both ends.
 *
 * @throws {ShapeError} when `size` is not a whole number above 0.
 *
 * Time O(size² · filter width).
 * @see torchvision's `Resize` and `CenterCrop`
 */
export function resizeAndCrop(image: DecodedImage, size: number): DecodedImage {
  const shorter = Math.min(image.width, image.height);
  const width = Math.max(size, Math.round((image.width * size) / shorter));
  const height = Math.max(size, Math.round((image.height * size) / shorter));
  return resize(image, width, height, { x: (width - size) >> 1, y: (height - size) >> 1, width: size, height: size });
}

interface Weights {
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** `[outputs, reach]` */
  readonly weights: Int32Array;
  readonly reach: number;
}

function weightsOf(from: number, to: number, offset: number, count: number): Weights {
  const scale = from / to;
  const stretch = Math.max(1, scale); // shrinking widens the filter
  const support = 2 * stretch;
  const reach = Math.min(from, Math.ceil(support) * 2 + 1);
  const starts = new Int32Array(count);
  const lengths = new Int32Array(count);
  const weights = new Int32Array(count * reach);
  const raw = new Float64Array(reach);
  for (let i = 0; i < count; i++) {
    const centre = (offset + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const length = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < length; k++) {
      raw[k] = cubic((start + k - centre + 0.5) / stretch);
      sum += raw[k];
    }
    for (let k = 0; k < length; k++) weights[i * reach + k] = Math.round((raw[k] / sum) * 2 ** precision);
    starts[i] = start;
    lengths[i] = length;
  }
  return { starts, lengths, weights, reach };
}

function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((t - 5) * t + 8) * t * a - 4 * a;
  return 0;
}
