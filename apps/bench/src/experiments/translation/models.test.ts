import { argmax, randomKey, tensor } from "@heed/tensor";
import { greedy } from "@heed/transformer";
import { expect, it } from "vitest";
import { special } from "./data.ts";
import { models } from "./index.ts";
import { createTranslator, teaching } from "./models.ts";

const key = randomKey(3);
const shape = { sourceVocabularySize: 11, vocabularySize: 13, width: 16, hidden: 16, layers: 2, dropoutP: 0.5 };
const padded = (rows: readonly (readonly number[])[], length: number) =>
  tensor(Int32Array.from(rows.flatMap((row) => [...row, ...Array<number>(length - row.length).fill(special.padding)])), { shape: [rows.length, length] }); // prettier-ignore

it.each(models)("writes what teaching calls likeliest, whatever the padding: %s", (model) => {
  const translator = createTranslator({ ...shape, model }, key);
  // Long enough that the Transformer needs more positions than it made at first.
  const sources = [
    [4, 5, 6, 7, 8, 9, 10, 4, 5, 6, 7, 8, 9, 10, 4, 5, 6, 7, 8, 9, 10, 4, 5, 6, 7, 8, 9, 10],
    [7, 8],
  ];
  const lengths = sources.map(({ length }) => length);
  const written = translator.write(padded(sources, 28), lengths, greedy());
  expect(Math.max(...written.map(({ tokens }) => tokens.length))).toBeGreaterThan(2);
  written.forEach(({ tokens }, b) => {
    const given = padded([[special.start, ...tokens]], tokens.length + 1);
    const at = tensor(Int32Array.from({ length: tokens.length + 1 }, (_, i) => i));
    const { logits } = translator.teach(padded([sources[b]!], lengths[b]!), given, [lengths[b]!], { at });
    const likeliest = argmax(logits, -1).toArray() as number[];
    const cut = tokens.length === 2 * 28 + 10;
    expect(likeliest.slice(0, tokens.length)).toEqual(tokens);
    if (!cut) expect(likeliest.at(-1)).toBe(special.end);
  });
});

it("asks for the end behind each sentence, and never for what is unknown or padding", () => {
  const { given, at, answers } = teaching([Int32Array.of(4, special.unknown, 5), Int32Array.of(6)]);
  expect(given.toArray()).toEqual([[special.start, 4, special.unknown, 5], [special.start, 6, 0, 0]]); // prettier-ignore
  expect(at.toArray()).toEqual([0, 2, 3, 4, 5]);
  expect(answers.toArray()).toEqual([4, 5, special.end, 6, special.end]);
});
