import { HeedError } from "@heed/kernels";
import type { RandomKey } from "./random-key.ts";
import { randomWords } from "./random-words.ts";

/** A short-lived reader of a key's words in order, for makers of plain data. Made of a key, used for one thing, dropped. */
export interface RandomStream {
  /** 32 random bits, as a number from 0 to 2^32 − 1. */
  bits(): number;
  /** From `[0, 1)`, in steps of 2^-32. */
  uniform(): number;
  /** One of 0 … below − 1, each equally often; `below` is an integer from 1 to 2^32. */
  integer(below: number): number;
}

/**
 * The words of a key one after the other, from word 0 on; two streams of one key give the same words. Time O(1) a word.
 * @throws {HeedError} in `integer`, for a bound that is no whole number from 1 to 2^32.
 * @see Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"
 */
export function randomStream(key: RandomKey): RandomStream {
  const words = new Uint32Array(64);
  let start = 0;
  let at = words.length;
  const bits = (): number => {
    if (at === words.length) {
      randomWords(key, words, start);
      start += words.length;
      at = 0;
    }
    return words[at++];
  };
  return {
    bits,
    uniform: () => bits() * 2 ** -32,
    integer(below) {
      if (!Number.isInteger(below) || below < 1 || below > 2 ** 32)
        throw new HeedError("integer", "below must be an integer from 1 to 2^32", { below });
      const limit = 2 ** 32 - (2 ** 32 % below);
      let word = bits();
      while (word >= limit) word = bits();
      return word % below;
    },
  };
}
