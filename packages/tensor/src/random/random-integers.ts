import { HeedError } from "@heed/kernels";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { drawn } from "./internal/draw.ts";
import type { RandomKey } from "./random-key.ts";
import { randomWords, requireKey } from "./random-words.ts";

/**
 * int32 numbers `low … high − 1`, of any shape, each exactly equally likely. Element i depends on key and i alone.
 * @throws {HeedError} unless low < high are integers of int32's range (high may be 2^31).
 *
 * Time O(size): what would favour some numbers is drawn again.
 * @see PyTorch's `torch.randint`
 */
export function randomIntegers(key: RandomKey, shape: Shape, low: number, high: number): Tensor {
  requireKey("randomIntegers", key);
  if (!(Number.isInteger(low) && Number.isInteger(high) && low < high && low >= -(2 ** 31) && high <= 2 ** 31)) {
    throw new HeedError("randomIntegers", "low and high must be integers from -2^31 to 2^31, low below high", { low, high });
  }
  return drawn<Int32Array>("randomIntegers", shape, "int32", false, (out) => {
    const words = randomWords(key, new Uint32Array(out.buffer));
    const range = high - low;
    // Words beyond the last whole multiple of the range would favour small results: draw those again.
    const limit = 2 ** 32 - (2 ** 32 % range);
    const rounds = key.split("drawn again");
    const again = new Uint32Array(1);
    for (let i = 0; i < out.length; i++) {
      let word = words[i];
      for (let round = 1; word >= limit; round++) word = randomWords(rounds.split(round), again, i)[0];
      out[i] = low + (word % range);
    }
  });
}
