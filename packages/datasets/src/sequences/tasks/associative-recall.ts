import { randomIntegers, randomOrder, tensor } from "@heed/tensor";
import { growingDistances, NOTHING, requireSizes, type SequenceTask, type SequenceTaskOptions } from "./sequence-task.ts";

const [pairs, keys, values, noises] = [8, 16, 8, 8] as const;

/**
 * Eight pairs of a key and a value, each read at one place, then noise; 1, 2, 4, 8 … steps later and at the last place one of the eight keys, without a
 * value, and the answer is its value. What matters depends on what is asked, at the last place length − 8 steps later and more. Chance is 1 / 8.
 *
 * Inputs: keys 0 … 15 (noise 16 … 23), and values 0 … 7 (8 where there is none).
 * @param options.length from 9 on
 * @throws {HeedError} for a length or count out of range.
 *
 * Time and memory O(count · length).
 * @see Ba et al. 2016 (arXiv:1610.06258), §4.1; Graves, Wayne, Danihelka 2014 (arXiv:1410.5401), §4.3
 */
export function associativeRecall(options: SequenceTaskOptions): SequenceTask {
  requireSizes("associativeRecall", pairs + 1, options);
  const { length: L, count: N, key } = options;
  const read = randomIntegers(key.split("noise"), [N, L], keys, keys + noises).toTypedArray() as Int32Array;
  const valued = randomIntegers(key.split("values"), [N, pairs], 0, values).toTypedArray() as Int32Array;
  const places = growingDistances(pairs - 1, L);
  const asked = randomIntegers(key.split("asked"), [N, places.length], 0, pairs).toTypedArray() as Int32Array;
  const beside = new Int32Array(N * L).fill(values);
  const said = new Int32Array(N * L).fill(NOTHING);
  for (let n = 0; n < N; n++) {
    const own = randomOrder(key.split("keys").split(n), keys).subarray(0, pairs);
    read.set(own, n * L);
    beside.set(valued.subarray(n * pairs, (n + 1) * pairs), n * L);
    places.forEach((place, i) => {
      const pair = asked[n * places.length + i];
      read[n * L + place] = own[pair];
      said[n * L + place] = valued[n * pairs + pair];
    });
  }
  const shape = [N, L];
  return {
    inputs: [tensor(read, { shape }), tensor(beside, { shape })],
    vocabularySizes: [keys + noises, values + 1],
    answers: tensor(said, { shape }),
    classCount: values,
    finalPlaces: 1,
  };
}
