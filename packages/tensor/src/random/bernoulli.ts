import { HeedError } from "@heed/kernels";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { chunkWords, drawn } from "./internal/draw.ts";
import type { RandomKey } from "./random-key.ts";
import { randomWords, requireKey } from "./random-words.ts";

/**
 * bool, of any shape: true with probability `p`, to the nearest multiple of 2^-32. Element i depends on key and i alone.
 * @throws {HeedError} unless 0 ≤ p ≤ 1.
 *
 * Time O(size).
 * @see PyTorch's `torch.bernoulli`
 */
export function bernoulli(key: RandomKey, p: number, shape: Shape): Tensor {
  requireKey("bernoulli", key);
  if (!(p >= 0 && p <= 1)) throw new HeedError("bernoulli", "p must be from 0 to 1", { p });
  return drawn<Uint8Array>("bernoulli", shape, "bool", false, (out) => {
    const limit = Math.round(p * 2 ** 32);
    const words = new Uint32Array(Math.min(chunkWords, out.length));
    for (let i = 0; i < out.length;) {
      randomWords(key, words, i);
      for (let j = 0; j < words.length && i < out.length; j++, i++) out[i] = words[j] < limit ? 1 : 0;
    }
  });
}
