import { randomIntegers, tensor } from "@heed/tensor";
import { NOTHING, requireSizes, type SequenceTask, type SequenceTaskOptions } from "./sequence-task.ts";

const [symbols, copied] = [8, 5] as const;

/**
 * Five symbols of 8, then blanks; at the last five places the five are to be said, in their order. Each answer lies length − 5 steps behind. Chance is
 * 1 / 8.
 *
 * Inputs: symbols 0 … 7, blank 8, the request for an answer 9.
 * @param options.length from 10 on
 * @throws {HeedError} for a length or count out of range.
 *
 * Time and memory O(count · length).
 * @see Hochreiter, Schmidhuber 1997, "Long Short-Term Memory"; Arjovsky, Shah, Bengio 2016 (arXiv:1511.06464), §5.1
 */
export function copyMemory(options: SequenceTaskOptions): SequenceTask {
  requireSizes("copyMemory", 2 * copied, options);
  const { length: L, count: N, key } = options;
  const drawn = randomIntegers(key, [N, copied], 0, symbols).toTypedArray() as Int32Array;
  const read = new Int32Array(N * L).fill(symbols);
  const said = new Int32Array(N * L).fill(NOTHING);
  for (let n = 0; n < N; n++) {
    const own = drawn.subarray(n * copied, (n + 1) * copied);
    read.set(own, n * L);
    read.fill(symbols + 1, (n + 1) * L - copied, (n + 1) * L);
    said.set(own, (n + 1) * L - copied);
  }
  const shape = [N, L];
  return {
    inputs: [tensor(read, { shape })],
    vocabularySizes: [symbols + 2],
    answers: tensor(said, { shape }),
    classCount: symbols,
    finalPlaces: copied,
  };
}
