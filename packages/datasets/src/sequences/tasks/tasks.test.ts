import { randomKey, type Tensor } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { associativeRecall, copyMemory, firstMark, listOps, type SequenceTask } from "../../index.ts";

const rows = (x: Tensor) => x.toArray() as number[][];
const key = randomKey(11);
const makers = { firstMark, copyMemory, associativeRecall, listOps };
const least = { firstMark: 2, copyMemory: 10, associativeRecall: 9, listOps: 3 };
const names = Object.keys(makers) as (keyof typeof makers)[];

describe.each(names)("%s", (name) => {
  const make = (length: number, count = 20, seed = 1): SequenceTask => makers[name]({ length, count, key: key.split(seed) });

  it("keeps to its sizes, at each length", () => {
    fc.assert(
      fc.property(fc.integer({ min: least[name], max: 200 }), fc.nat(), (length, seed) => {
        const { inputs, vocabularySizes, answers, classCount, finalPlaces } = make(length, 4, seed);
        expect(inputs.map(({ shape, dtype }) => [shape, dtype])).toEqual(vocabularySizes.map(() => [[4, length], "int32"]));
        inputs.forEach((input, i) => {
          const read = rows(input).flat();
          expect(Math.min(...read)).toBeGreaterThanOrEqual(0);
          expect(Math.max(...read)).toBeLessThan(vocabularySizes[i]!);
        });
        for (const row of rows(answers)) {
          expect(row.slice(-finalPlaces).every((answer) => answer >= 0)).toBe(true);
          expect(Math.max(...row)).toBeLessThan(classCount);
          expect(Math.min(...row)).toBeGreaterThanOrEqual(-1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("draws the same from the same key, other sequences from another, and none for none", () => {
    const all = ({ inputs, answers }: SequenceTask) => [...inputs, answers].map((x) => x.toArray());
    expect(all(make(30))).toEqual(all(make(30)));
    expect(all(make(30))).not.toEqual(all(make(30, 20, 2)));
    expect(make(30, 0).answers.shape).toEqual([0, 30]);
  });

  it("says what is wrong", () => {
    expect(() => make(least[name] - 1)).toThrow(`${name}: length must be a whole number from ${least[name]} on`);
    expect(() => make(30, -1)).toThrow(`${name}: count must be a whole number from 0 on; got count -1`);
  });
});

it("asks for the first mark at growing distances and at the end, and each mark is as likely", () => {
  const { inputs, answers } = firstMark({ length: 12, count: 800, key });
  const counts = new Array<number>(8).fill(0);
  const said = rows(answers);
  rows(inputs[0]!).forEach((read, n) => {
    const asked = [1, 2, 4, 8, 11];
    expect(said[n]).toEqual(read.map((_, place) => (asked.includes(place) ? read[0] : -1)));
    expect(read.slice(1).every((symbol, i) => (asked.includes(i + 1) ? symbol === 16 : symbol >= 8 && symbol < 16))).toBe(true);
    counts[read[0]!]!++;
  });
  // 100 each on average; five standard deviations of a binomial are 47.
  counts.forEach((count) => expect(Math.abs(count - 100)).toBeLessThan(47));
});

it("asks for the symbols in their order", () => {
  const { inputs, answers } = copyMemory({ length: 14, count: 9, key });
  rows(inputs[0]!).forEach((read, n) => {
    expect(read.slice(5)).toEqual([8, 8, 8, 8, 9, 9, 9, 9, 9]);
    expect(rows(answers)[n]).toEqual([...new Array(9).fill(-1), ...read.slice(0, 5)]);
  });
});

it("asks for the value of one of the keys, which are different", () => {
  const { inputs, answers } = associativeRecall({ length: 20, count: 200, key });
  const [keys, values] = inputs.map(rows) as [number[][], number[][]];
  const said = rows(answers);
  const found = keys.flatMap((own, n) => {
    expect(new Set(own.slice(0, 8)).size).toBe(8);
    expect(values[n]!.slice(8)).toEqual(new Array(12).fill(8));
    const asked = [8, 9, 11, 15, 19];
    return own.flatMap((id, place) => {
      if (!asked.includes(place)) {
        expect(said[n]![place]).toBe(-1);
        expect(id >= 16).toBe(place >= 8);
        return [];
      }
      const pair = own.slice(0, 8).indexOf(id);
      expect(said[n]![place]).toBe(values[n]![pair]);
      return [pair];
    });
  });
  expect([new Set(found).size, Math.min(...found)]).toEqual([8, 0]);
});

describe("listOps", () => {
  /** Reads the tokens again, by recursion over the text. */
  function worth(tokens: readonly number[]): { value: number; depth: number } {
    let at = 0;
    const read = (depth: number): { value: number; depth: number } => {
      const token = tokens[at++]!;
      if (token < 10) return { value: token, depth };
      const elements: { value: number; depth: number }[] = [];
      while (tokens[at] !== 13) elements.push(read(depth + 1));
      at++;
      const sorted = elements.map(({ value }) => value).sort((a, b) => a - b);
      const value = [sorted[0]!, sorted.at(-1)!, sorted[Math.ceil(sorted.length / 2) - 1]!][token - 10]!;
      return { value, depth: Math.max(...elements.map((element) => element.depth)) };
    };
    const root = read(0);
    expect(at).toBe(tokens.length);
    return root;
  }

  it("asks for what the list is worth, at most ten deep", () => {
    let most = 0;
    for (const length of [3, 4, 5, 17, 64, 300]) {
      const { inputs, answers } = listOps({ length, count: 60, key });
      rows(inputs[0]!).forEach((tokens, n) => {
        const { value, depth } = worth(tokens);
        expect(rows(answers)[n]!.at(-1)).toBe(value);
        most = Math.max(most, depth);
      });
    }
    expect(most).toBe(10);
  });

  it("is worked out as it reads", () => {
    expect(worth([11, 2, 9, 10, 4, 7, 13, 0, 13])).toEqual({ value: 9, depth: 2 });
    expect(worth([12, 5, 3, 4, 1, 13]).value).toBe(3);
  });
});
