import { expect, it } from "vitest";
import { joinWords, normalised, wordCount, wordsOf } from "./sentence.ts";

it("makes sentences alike: lower-case, plain spaces and apostrophes", () => {
  expect(normalised("  Où est-ce\u00a0?\u202fL’eau ")).toBe("où est-ce ? l'eau");
  expect(normalised("E\u0301te\u0301")).toBe("été");
});

it("parts words as each language joins them: English behind, French before", () => {
  expect(wordsOf("i don't know tom's well-known o'clock.", "en")).toEqual(["i", "don", "'t", "know", "tom", "'s", "well", "-known", "o", "'clock", "."]); // prettier-ignore
  expect(wordsOf("qu'a-t-il dit à l'homme ?", "fr")).toEqual(["qu'", "a", "-t", "-il", "dit", "à", "l'", "homme", "?"]);
  expect(wordsOf('3.50 at 10:30... "yes"', "en")).toEqual(["3.50", "at", "10:30", "...", '"', "yes", '"']);
  expect(wordCount(wordsOf("oui, c'est ça !", "fr"))).toBe(4);
});

it.each([
  ["en", "i don't know, tom's well-known friend (the tall one) said: no!"],
  ["fr", "qu'a-t-il dit à l'homme ? « rien », dit-elle ; c'est (presque) tout !"],
  ["en", "it's 3.50 at 10:30..."],
] as const)("joins the words of %s again", (language, text) => {
  expect(joinWords(wordsOf(text, language), language)).toBe(text);
});
