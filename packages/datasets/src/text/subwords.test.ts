import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Subwords } from "../index.ts";

/** The example of the paper, §3.2. */
const counts = [
  ["low", 5],
  ["lower", 2],
  ["newest", 6],
  ["widest", 3],
] as const;

describe("Subwords", () => {
  const subwords = Subwords.learn(counts, { merges: 10 });

  it("joins what stands together most often, as in the paper's example", () => {
    // e s and s t</w> both occur nine times: the first by code units goes first.
    expect(subwords.merges.slice(0, 4)).toEqual([["e", "s"], ["es", "t</w>"], ["l", "o"], ["e", "w"]]); // prettier-ignore
    expect(subwords.encode("newest")).toEqual(["newest</w>"]);
    expect(subwords.encode("lowest")).toEqual(["lo", "w", "est</w>"]);
    expect(subwords.encode("x")).toEqual(["x</w>"]);
    expect(Subwords.learn(counts, { merges: 0 }).encode("low")).toEqual(["l", "o", "w</w>"]);
  });

  it("ends when no pair occurs twice", () => {
    expect(Subwords.learn([["ab", 1], ["ac", 1]], { merges: 9 }).merges).toEqual([]); // prettier-ignore
    expect(Subwords.learn([["ab", 2]], { merges: 9 }).merges).toEqual([["a", "b</w>"]]);
    expect(Subwords.learn([], { merges: 9 }).merges).toEqual([]);
  });

  it("counts a pair in every word and place that has it, also where merges of one word overlap", () => {
    // aaaa: three pairs aa, of which two are joined.
    expect(Subwords.learn([["aaaaa", 1]], { merges: 2 }).merges).toEqual([["a", "a"]]);
    const naive = Subwords.learn([["banana", 3], ["bandana", 2], ["an", 1]], { merges: 3 }); // prettier-ignore
    // a n: 3 · 2 + 2 · 2 (the last "an" ends a word), then "an a</w>": 5, then "b an": 5.
    expect(naive.merges).toEqual([["a", "n"], ["an", "a</w>"], ["b", "an"]]); // prettier-ignore
  });

  it("gives any word back from its pieces", () => {
    const word = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/\s|<\/w>/.test(text));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), fc.array(word, { maxLength: 8 }), fc.nat(20), (known, said, merges) => {
        const learned = Subwords.learn(known.map((text, i) => [text, 1 + (i % 3)]), { merges }); // prettier-ignore
        expect(Subwords.decode(said.flatMap((text) => learned.encode(text)))).toEqual(said);
      }),
    );
    expect(Subwords.decode(["low", "est</w>", "ne"])).toEqual(["lowest", "ne"]);
  });

  it("survives JSON, and takes nothing else for pieces", () => {
    const again = Subwords.fromJSON(JSON.parse(JSON.stringify(subwords)));
    expect(again.merges).toEqual(subwords.merges);
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ merges: fc.oneof(fc.jsonValue(), fc.array(fc.string())) })), (json) => {
        try {
          expect(Subwords.fromJSON(json).encode("word").join("")).toBe("word</w>");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });

  it("says what is wrong", () => {
    expect(() => Subwords.learn(counts, { merges: -1 })).toThrow("merges must be a whole number from 0 on; got merges -1");
    expect(() => Subwords.learn([["a b", 1]], { merges: 1 })).toThrow("a word is not empty and holds no space");
    expect(() => Subwords.learn([["ab", 0]], { merges: 1 })).toThrow("counts must be whole numbers from 1 on");
    expect(() => subwords.encode("")).toThrow("a word is not empty");
    expect(() => new Subwords([["a", "b"], ["a", "b"]])).toThrow("merges are different pairs"); // prettier-ignore
    expect(() => new Subwords([["", "b"]])).toThrow("merges are different pairs");
  });
});
