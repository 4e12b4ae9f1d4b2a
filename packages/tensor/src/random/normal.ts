import { HeedError, math } from "@heed/kernels";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { chunkWords, drawn, requireRealDType, type RandomOptions } from "./internal/draw.ts";
import type { RandomKey } from "./random-key.ts";
import { randomWords, requireKey } from "./random-words.ts";

export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Standard deviation, default 1. */
  readonly deviation?: number;
}

/**
 * Normally distributed numbers `mean + deviation · z`, of any shape, by Box and Muller's transform. Element i depends on key and i alone, so a
 * longer draw begins with the shorter one. From 32 random bits each in float32 (no further than 6.7 deviations from the mean), 53 in
 * float64.
 * @throws {HeedError} for a mean or deviation that is not finite, or a negative deviation.
 *
 * Time O(size).
 * @see Box and Muller 1958, "A Note on the Generation of Random Normal Deviates"
 */
export function normal(
  key: RandomKey,
  shape: Shape,
  { mean = 0, deviation = 1, dtype = "float32", requiresGrad = false }: NormalOptions = {},
): Tensor {
  requireKey("normal", key);
  requireRealDType("normal", dtype);
  if (!(Number.isFinite(mean) && deviation >= 0 && deviation < Infinity))
    throw new HeedError("normal", "mean and deviation must be finite, deviation not negative", { mean, deviation });
  return drawn<Float32Array | Float64Array>("normal", shape, dtype, requiresGrad, (out) => {
    fillNormal(key, out, 0);
    if (mean !== 0 || deviation !== 1) for (let i = 0; i < out.length; i++) out[i] = mean + deviation * out[i];
  });
}

/** Standard normal numbers `start, start + 1, …` of a key; `start` is even. */
export function fillNormal(key: RandomKey, out: Float32Array | Float64Array, start: number): void {
  const double = out instanceof Float64Array;
  const per = double ? 4 : 2; // Words for a pair of numbers.
  const words = new Uint32Array(Math.min(chunkWords, per * Math.ceil(out.length / 2)));
  for (let i = 0; i < out.length;) {
    randomWords(key, words, ((start + i) / 2) * per);
    for (let j = 0; j < words.length && i < out.length; j += per) {
      // From (0, 1], whose logarithm is finite, and a part of the circle.
      const radius = double ? (words[j] * 2 ** 21 + (words[j + 2] >>> 11) + 1) * 2 ** -53 : (words[j] + 1) * 2 ** -32;
      const turn = double ? (words[j + 1] * 2 ** 21 + (words[j + 3] >>> 11)) * 2 ** -53 : words[j + 1] * 2 ** -32;
      const length = Math.sqrt(-2 * math.log(radius));
      const angle = 2 * Math.PI * turn;
      out[i++] = length * math.cos(angle);
      if (i < out.length) out[i++] = length * math.sin(angle);
    }
  }
}
