import { Vocabulary } from "@heed/datasets";
import { randomKey } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countsOf, encoded, forgetting, lengthsOf, sentence, sentenceBatch, special, unknownId } from "./sentences.ts";

const texts = [["a", "saw"], [], ["I", "saw", "a", "saw"]];
const vocabulary = Vocabulary.build(texts, { special, unknown: special[unknownId], minCount: 2 });
const sentences = encoded(texts, vocabulary);

it("keeps sentences one behind the other, and gives them back", () => {
  expect(lengthsOf(sentences)).toEqual(Int32Array.of(2, 0, 4));
  expect(vocabulary.decode(sentence(sentences, 2))).toEqual(["<unk>", "saw", "a", "saw"]);
  expect([...countsOf(sentences, vocabulary.size)]).toEqual([0, 1, 3, 2]);
});

it("puts sentences side by side, and says where their words are", () => {
  const { ids, lengths, places } = sentenceBatch([sentence(sentences, 0), sentence(sentences, 2)]);
  expect(ids.shape).toEqual([2, 4]);
  expect(lengths).toEqual(Int32Array.of(2, 4));
  const all = ids.toTypedArray();
  expect([...places.toTypedArray()]).toEqual([0, 1, 4, 5, 6, 7]);
  expect(Array.from(places.toTypedArray(), (place) => all[place])).toEqual([...sentences.ids]);
});

describe("forgetting", () => {
  it("leaves words as they are or makes them unknown, the same from the same key", () => {
    const ids = fc.array(fc.array(fc.integer({ min: 2, max: 9 })));
    fc.assert(
      fc.property(
        ids,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.nat(),
        (lists, all, rare, seed) => {
          const given = lists.map((list) => Int32Array.from(list));
          const counts = new Int32Array(10).fill(3);
          const first = forgetting(given, counts, { all, rare }, randomKey(seed));
          expect(forgetting(given, counts, { all, rare }, randomKey(seed))).toEqual(first);
          first.forEach((list, s) => list.forEach((id, i) => expect([unknownId, given[s]![i]]).toContain(id)));
          if (all === 0 && rare === 0) expect(first).toEqual(given);
          if (all === 1) expect(first.flatMap((list) => [...list]).every((id) => id === unknownId)).toBe(true);
        },
      ),
    );
  });

  it("forgets as often as it says", () => {
    const counts = Int32Array.of(0, 0, 1, 4);
    const [rare, all] = [0.25, 0.1];
    const draws = 20_000;
    const [once, often] = forgetting([new Int32Array(draws).fill(2), new Int32Array(draws).fill(3)], counts, { all, rare }, randomKey(1));
    const share = (list: Int32Array) => list.filter((id) => id === unknownId).length / draws;
    // Of a share p the deviation is √(p (1 − p) / draws): five of them.
    for (const [list, count] of [
      [once!, 1],
      [often!, 4],
    ] as const) {
      // prettier-ignore
      const p = 1 - (1 - all) * (1 - rare / (rare + count));
      expect(Math.abs(share(list) - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws));
    }
  });
});
