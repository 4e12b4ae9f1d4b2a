import { HeedError, math } from "@heed/kernels";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { drawn, requireRealDType } from "./internal/draw.ts";
import { fillNormal, type NormalOptions } from "./normal.ts";
import type { RandomKey } from "./random-key.ts";
import { randomWords, requireKey } from "./random-words.ts";

export interface TruncatedNormalOptions extends NormalOptions {
  /** The smallest value, in deviations from the mean. Default −2. */
  readonly low?: number;
  /** The largest value, in deviations from the mean. Default 2. */
  readonly high?: number;
}

/**
 * Normally distributed numbers, of any shape, given that they lie between `mean + low · deviation` and `mean + high · deviation`: what
 * lies outside is drawn again. Element i depends on key and i alone.
 * @throws {HeedError} unless low < high, and mean and deviation as in `normal`.
 *
 * Time O(size), times the draws that one number takes: 1.05 on average for the default bounds.
 * @see Robert 1995, "Simulation of Truncated Normal Variables"
 */
export function truncatedNormal(key: RandomKey, shape: Shape, options: TruncatedNormalOptions = {}): Tensor {
  const { mean = 0, deviation = 1, low = -2, high = 2, dtype = "float32", requiresGrad = false } = options;
  requireKey("truncatedNormal", key);
  requireRealDType("truncatedNormal", dtype);
  if (!(Number.isFinite(mean) && deviation >= 0 && deviation < Infinity && low < high && low < Infinity && high > -Infinity)) {
    throw new HeedError("truncatedNormal", "mean and deviation must be finite, deviation not negative, low below high", {
      mean,
      deviation,
      low,
      high,
    });
  }
  return drawn<Float32Array | Float64Array>("truncatedNormal", shape, dtype, requiresGrad, (out) => {
    // A wide interval around the mean takes most normal numbers; any other is met by uniform proposals.
    if (low <= 0 && high >= 0 && high - low >= 1) byNormal(key, out, low, high);
    else byUniform(key, out, low, high);
    for (let i = 0; i < out.length; i++) out[i] = mean + deviation * out[i];
  });
}

function byNormal(key: RandomKey, out: Float32Array | Float64Array, low: number, high: number): void {
  fillNormal(key, out, 0);
  const rounds = key.split("drawn again");
  const again = new (out.constructor as new (n: number) => Float32Array | Float64Array)(2);
  for (let i = 0; i < out.length; i++) {
    for (let round = 1; !(out[i] >= low && out[i] <= high); round++) {
      fillNormal(rounds.split(round), again, i - (i % 2));
      out[i] = again[i % 2];
    }
  }
}

function byUniform(key: RandomKey, out: Float32Array | Float64Array, low: number, high: number): void {
  // The density is largest at the point nearest to 0, and e^-40 of that where the proposals end.
  const peak = low > 0 ? low : high < 0 ? high : 0;
  const reach = Math.sqrt(peak * peak + 80);
  const from = Math.max(low, -reach);
  const to = Math.min(high, reach);
  const rounds = key.split("proposals");
  const words = new Uint32Array(4);
  for (let i = 0; i < out.length; i++) {
    for (let round = 0; ; round++) {
      randomWords(rounds.split(round), words, 4 * i);
      const x = from + (to - from) * ((words[0] * 2 ** 21 + (words[1] >>> 11)) * 2 ** -53);
      out[i] = x;
      const accept = words[2] * 2 ** -32 < math.exp((peak - x) * (peak + x) * 0.5);
      if (accept && out[i] >= low && out[i] <= high) break;
    }
  }
}
