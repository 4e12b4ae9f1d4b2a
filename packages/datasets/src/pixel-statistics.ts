import { ShapeError } from "@heed/tensor";
import type { ImageSet } from "./image-set.ts";

/** Mean and standard deviation of each channel, of pixels 0 … 1. */
export interface PixelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Mean and standard deviation per channel over all pixels of a set: take them from the training part, and use them for both.
 *
 * Sums are whole numbers, so the result does not depend on order or machine. A channel that never varies gets deviation 1.
 *
 * @throws {ShapeError} when the set is empty.
 *
 * Time O(bytes of the pictures).
 * @see Elementary: mean and variance
 */
export function pixelStatistics(set: ImageSet): PixelStatistics {
  const { count, channels, height, width, images } = set;
  if (images.length === 0) throw new ShapeError("pixelStatistics", "the set must hold at least one picture", { count });
  const plane = height * width;
  const mean: number[] = [];
  const std: number[] = [];
  for (let c = 0; c < channels; c++) {
    const histogram = new Float64Array(256);
    for (let n = 0; n < count; n++) {
      const start = (n * channels + c) * plane;
      for (let i = start; i < start + plane; i++) histogram[images[i]]++;
    }
    let sum = 0;
    let squares = 0;
    for (let value = 0; value < 256; value++) {
      sum += histogram[value] * value;
      squares += histogram[value] * value * value;
    }
    const total = count * plane;
    const average = sum / total;
    const variance = squares / total - average * average;
    mean.push(average / 255);
    std.push(variance > 1e-9 ? Math.sqrt(variance) / 255 : 1);
  }
  return { mean, std };
}
