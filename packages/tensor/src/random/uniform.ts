import { HeedError } from "@heed/kernels";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { chunkWords, drawn, requireRealDType, type RandomOptions } from "./internal/draw.ts";
import type { RandomKey } from "./random-key.ts";
import { randomWords, requireKey } from "./random-words.ts";

export interface UniformOptions extends RandomOptions {
  /** Default 0. */
  readonly low?: number;
  /** Default 1. */
  readonly high?: number;
}

/**
 * Numbers from `[low, high)`, each equally likely, of any shape: float32 from 24 random bits, float64 from 53. Element i depends on key
 * and i alone, so a longer draw begins with the shorter one.
 * @throws {HeedError} unless low < high, both finite (low = high gives that number everywhere).
 *
 * Time O(size).
 * @see PyTorch's `torch.rand`
 */
export function uniform(
  key: RandomKey,
  shape: Shape,
  { low = 0, high = 1, dtype = "float32", requiresGrad = false }: UniformOptions = {},
): Tensor {
  requireKey("uniform", key);
  requireRealDType("uniform", dtype);
  if (!(Number.isFinite(low) && Number.isFinite(high - low) && low <= high))
    throw new HeedError("uniform", "low and high must be finite, low at most high", { low, high });
  return drawn<Float32Array | Float64Array>("uniform", shape, dtype, requiresGrad, (out) => {
    const width = high - low;
    const double = dtype === "float64";
    const words = new Uint32Array(Math.min(chunkWords, double ? 2 * out.length : out.length));
    const per = double ? 2 : 1;
    for (let i = 0; i < out.length;) {
      const count = Math.min(out.length - i, chunkWords / per);
      randomWords(key, words, i * per);
      for (let j = 0; j < count; j++, i++) {
        const unit = double ? (words[2 * j] * 2 ** 21 + (words[2 * j + 1] >>> 11)) * 2 ** -53 : (words[j] >>> 8) * 2 ** -24;
        out[i] = low + unit * width;
        // The sum may round up to `high`, which is promised never to come.
        if (out[i] >= high) out[i] = low;
      }
    }
  });
}
