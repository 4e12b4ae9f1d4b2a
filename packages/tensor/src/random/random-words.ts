import { HeedError, threefry } from "@heed/kernels";
import { RandomKey } from "./random-key.ts";

/**
 * Fills an array with random 32-bit words `start, start + 1, …` of a key's stream: word i depends on key and i alone.
 * For plain arrays; tensors have `uniform`, `normal` and the others.
 *
 * @param out is overwritten, and returned; may be empty
 * @param start which word of the stream comes first, default 0
 *
 * Time O(words).
 * @see Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"
 */
export function randomWords<T extends Uint32Array | Int32Array>(key: RandomKey, out: T, start = 0): T {
  requireKey("randomWords", key);
  if (!Number.isSafeInteger(start) || start < 0) throw new HeedError("randomWords", "start must be a non-negative integer", { start });
  const [k0, k1] = key.words;
  const { length } = out;
  let i = 0;
  // Words come in pairs; the ends may cut one.
  if (start % 2 === 1 && length > 0) out[i++] = pairAt(k0, k1, start - 1)[1];
  let low = (((start + i) / 2) % 2 ** 32) | 0;
  let high = Math.floor((start + i) / 2 ** 33);
  for (; i + 1 < length; i += 2) {
    threefry(k0, k1, low, high, out, i);
    low = (low + 1) | 0;
    if (low === 0) high++;
  }
  if (i < length) out[i] = pairAt(k0, k1, start + i)[0];
  return out;
}

const pair = /* @__PURE__ */ new Uint32Array(2);

function pairAt(k0: number, k1: number, start: number): Uint32Array {
  threefry(k0, k1, ((start / 2) % 2 ** 32) | 0, Math.floor(start / 2 ** 33), pair, 0);
  return pair;
}

/** @internal */
export function requireKey(where: string, key: unknown): asserts key is RandomKey {
  if (key instanceof RandomKey) return;
  throw new HeedError(where, "key must be a RandomKey", { key: typeof key }, "Make one: randomKey(seed), and split it.");
}
