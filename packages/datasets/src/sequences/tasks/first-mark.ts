import { randomIntegers, tensor } from "@heed/tensor";
import { growingDistances, NOTHING, requireSizes, type SequenceTask, type SequenceTaskOptions } from "./sequence-task.ts";

const [marks, noises] = [8, 8] as const;

/**
 * One of 8 marks, then noise of 8 other symbols; 1, 2, 4, 8 … steps later and at the last place a question, and the answer is the mark. Who answers at
 * the last place still sees the first vector, length − 1 steps away. Chance is 1 / 8.
 *
 * Inputs: marks 0 … 7, noise 8 … 15, the question 16.
 * @param options.length from 2 on
 * @throws {HeedError} for a length or count out of range.
 *
 * Time and memory O(count · length).
 * @see Bengio, Simard, Frasconi 1994, "Learning Long-Term Dependencies with Gradient Descent is Difficult" (the latch problem)
 */
export function firstMark(options: SequenceTaskOptions): SequenceTask {
  requireSizes("firstMark", 2, options);
  const { length: L, count: N, key } = options;
  const first = randomIntegers(key.split("marks"), [N], 0, marks).toTypedArray() as Int32Array;
  const read = randomIntegers(key.split("noise"), [N, L], marks, marks + noises).toTypedArray() as Int32Array;
  const said = new Int32Array(N * L).fill(NOTHING);
  const asked = growingDistances(0, L);
  for (let n = 0; n < N; n++) {
    read[n * L] = first[n];
    for (const place of asked) {
      read[n * L + place] = marks + noises;
      said[n * L + place] = first[n];
    }
  }
  const shape = [N, L];
  return {
    inputs: [tensor(read, { shape })],
    vocabularySizes: [marks + noises + 1],
    answers: tensor(said, { shape }),
    classCount: marks,
    finalPlaces: 1,
  };
}
