import { HeedError } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { drawn } from "./internal/draw.ts";
import type { RandomKey } from "./random-key.ts";
import { randomStream } from "./random-stream.ts";
import { requireKey } from "./random-words.ts";

/**
 * The numbers 0 … n − 1 in a random order, int32 `[n]`: every order is equally likely, as far as 64 bits of key allow. Time O(n).
 * @throws {HeedError} unless n is a whole number from 0 to 2^31.
 * @see Durstenfeld 1964, "Algorithm 235: Random Permutation"
 */
export function permutation(key: RandomKey, n: number): Tensor {
  requireKey("permutation", key);
  if (!Number.isInteger(n) || n < 0 || n > 2 ** 31) throw new HeedError("permutation", "n must be an integer from 0 to 2^31", { n });
  return drawn<Int32Array>("permutation", [n], "int32", false, (out) => shuffle(key, out));
}

/**
 * `permutation` as a plain array, with the same errors. Time O(n).
 * @throws {HeedError} unless n is a whole number from 0 to 2^31.
 * @see Durstenfeld 1964, "Algorithm 235: Random Permutation"
 */
export function randomOrder(key: RandomKey, n: number): Int32Array<ArrayBuffer> {
  requireKey("randomOrder", key);
  if (!Number.isInteger(n) || n < 0 || n > 2 ** 31) throw new HeedError("randomOrder", "n must be an integer from 0 to 2^31", { n });
  const out = new Int32Array(n);
  shuffle(key, out);
  return out;
}

/** Fisher and Yates's shuffle of 0 … n − 1, in Durstenfeld's inside-out form. */
function shuffle(key: RandomKey, out: Int32Array): void {
  const stream = randomStream(key);
  for (let i = 0; i < out.length; i++) {
    const j = stream.integer(i + 1);
    out[i] = out[j];
    out[j] = i;
  }
}
