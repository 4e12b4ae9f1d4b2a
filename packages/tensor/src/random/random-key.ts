import { HeedError, threefry } from "@heed/kernels";

/**
 * Where random numbers come from: an immutable value, a point in a tree of streams. The same key gives the same numbers
 * on every engine, at any time, in any order; nothing has state. Use a key for one draw, and split it for more:
 *
 *     const key = randomKey(7);
 *     const weight = normal(key.split("weight"), [4, 8]);
 *     const order = permutation(key.split("epoch").split(3), 1000);
 */
export class RandomKey {
  /** What identifies the key. */
  readonly words: readonly [number, number];

  /** @internal Use `randomKey(seed)` or `split`. */
  constructor(words: readonly [number, number]) {
    this.words = Object.freeze(words);
  }

  /**
   * The child of that name or number. Children of different names, children and grandchildren, and the key's own numbers
   * are independent streams.
   * @throws {HeedError} for a number that is no safe integer.
   */
  split(name: string | number): RandomKey {
    if (typeof name === "number") {
      if (!Number.isSafeInteger(name)) throw new HeedError("split", "a number must be a safe integer", { name });
      return this.#child(name, ((Math.floor(name / 2 ** 32) & 0x3fffffff) | numberTag) >>> 0);
    }
    if (typeof name !== "string") throw new HeedError("split", "name must be a string or an integer", { name: typeof name });
    // The length goes first, so that no name is the beginning of another; then two UTF-16 units at a time.
    let key = this.#child(name.length, stringTag);
    for (let i = 0; i < name.length; i += 2) key = key.#child(name.charCodeAt(i) | ((name.charCodeAt(i + 1) || 0) << 16), stringTag + 1);
    return key;
  }

  /** Sixteen hexadecimal digits, which `parseRandomKey` reads. */
  toString(): string {
    return this.words.map((word) => word.toString(16).padStart(8, "0")).join("");
  }

  /** As `toString`: a key in a checkpoint. */
  toJSON(): string {
    return this.toString();
  }

  /** Tags in the counter's high word keep children apart from the key's own numbers, whose counters stay below 2^62. */
  #child(low: number, high: number): RandomKey {
    const words = new Uint32Array(2);
    threefry(this.words[0], this.words[1], low, high, words, 0);
    return new RandomKey([words[0], words[1]]);
  }
}

const numberTag = 0x80000000;
const stringTag = 0x40000000;

/**
 * The root key of a seed.
 * @param seed an integer, of which 64 bits count
 * @throws {HeedError} when it is no safe integer.
 *
 * Time O(1).
 * @see JAX's `jax.random.key`
 */
export function randomKey(seed: number): RandomKey {
  if (!Number.isSafeInteger(seed)) throw new HeedError("randomKey", "seed must be a safe integer", { seed });
  return new RandomKey([Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0]);
}

/**
 * The key whose `toString` or `toJSON` this is.
 * @throws {HeedError} when it is none.
 *
 * Time O(1).
 * @see Elementary: the inverse of `toString`
 */
export function parseRandomKey(text: string): RandomKey {
  if (typeof text !== "string" || !/^[0-9a-f]{16}$/.test(text))
    throw new HeedError("parseRandomKey", "a key is sixteen hexadecimal digits", { text: String(text).slice(0, 40) });
  return new RandomKey([Number.parseInt(text.slice(0, 8), 16), Number.parseInt(text.slice(8), 16)]);
}
