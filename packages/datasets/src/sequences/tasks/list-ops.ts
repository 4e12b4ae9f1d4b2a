import { tensor, uniform } from "@heed/tensor";
import { NOTHING, requireSizes, type SequenceTask, type SequenceTaskOptions } from "./sequence-task.ts";

const [MIN, MED, CLOSE] = [10, 12, 13] as const;
const deepest = 10;
/** The shortest list: an operation, one element and the end. */
const shortest = 3;

/**
 * Nested lists of digits under MIN, MAX and MED (the median, the lower one of two): `[MAX 2 9 [MIN 4 7] 0]` → 9, asked at the last place. Each takes
 * exactly `length` places; lists are at most ten deep. Long ones favour answers that are extreme: MIN of many is 0.
 *
 * Inputs: digits 0 … 9, `[MIN` 10, `[MAX` 11, `[MED` 12, `]` 13.
 * @param options.length from 3 on
 * @throws {HeedError} for a length or count out of range.
 *
 * Time O(count · length log(length)), memory O(count · length).
 * @see Nangia, Bowman 2018 (arXiv:1804.06028), whose lists also have sums; Tay et al. 2021 (arXiv:2011.04006), §2.1
 */
export function listOps(options: SequenceTaskOptions): SequenceTask {
  requireSizes("listOps", shortest, options);
  const { length: L, count: N, key } = options;
  const read = new Int32Array(N * L);
  const said = new Int32Array(N * L).fill(NOTHING);
  for (let n = 0; n < N; n++) {
    // A place draws at most three numbers.
    const drawn = uniform(key.split(n), [3 * L]).toTypedArray() as Float32Array;
    let [place, draw] = [n * L, 0];
    const below = (limit: number): number => Math.floor(drawn[draw++] * limit);

    /** Writes a list of so many places, and returns what it is worth. */
    const list = (places: number, depth: number): number => {
      const operation = MIN + below(3);
      read[place++] = operation;
      const elements: number[] = [];
      for (let left = places - 2; left > 0;) {
        // A list alone in a list would say nothing new.
        const room = elements.length === 0 ? left - 1 : left;
        const nested = room >= shortest && depth < deepest && below(4) === 0;
        const size = nested ? shortest + below(room - shortest + 1) : 1;
        elements.push(nested ? list(size, depth + 1) : (read[place++] = below(10)));
        left -= size;
      }
      read[place++] = CLOSE;
      elements.sort((a, b) => a - b);
      if (operation === MED) return elements[(elements.length - 1) >> 1];
      return operation === MIN ? elements[0] : elements[elements.length - 1];
    };
    said[(n + 1) * L - 1] = list(L, 1);
  }
  const shape = [N, L];
  return {
    inputs: [tensor(read, { shape })],
    vocabularySizes: [CLOSE + 1],
    answers: tensor(said, { shape }),
    classCount: 10,
    finalPlaces: 1,
  };
}
