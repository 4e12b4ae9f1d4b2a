import { describe, expect, it } from "vitest";
import { bleu, tokenize13a } from "./bleu.ts";

/** Scores of sacreBLEU 2.6.0, nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp: `BLEU().corpus_score(translations, [references])`. */
const cases: readonly (readonly [translations: string[], references: string[], score: number, precisions: number[], brevity: number])[] = [
  [["the cat sat on the mat."], ["the cat sat on the mat."], 100.00000000000004, [100.0, 100.0, 100.0, 100.0], 1.0],
  [["the the the the the the the"], ["the cat is on the mat"], 7.809849842300637, [28.571428571428573, 8.333333333333334, 5.0, 3.125], 1.0],
  [
    ["i don't know, tom.", "it's 3.5 km away - isn't it?"],
    ["i do not know, tom.", "it's 3.5 km away, isn't it?"],
    48.1334461755719,
    [85.71428571428571, 66.66666666666667, 50.0, 25.0],
    0.9310627797040228,
  ],
  [["hello"], ["hello world"], 0.0, [100.0, 0.0, 0.0, 0.0], 0.36787944117144233],
  [["", "yes."], ["no.", "yes."], 0.0, [100.0, 100.0, 0.0, 0.0], 0.36787944117144233],
  [["a b c"], ["d e f"], 0.0, [0.0, 0.0, 0.0, 0.0], 1.0],
  [
    ["qu'est-ce que c'est ?", "l'eau est chaude ; n'est-ce pas ?"],
    ["qu'est-ce que c'est ?", "l'eau est-elle chaude ?"],
    33.18077402843942,
    [63.63636363636363, 33.333333333333336, 28.571428571428573, 20.0],
    1.0,
  ],
  [
    ["in 1999-2000 he paid $1,000.50 (about 900 €)"],
    ["in 1999-2000, he paid $1,000.50 (almost 900 €)."],
    49.74279779258904,
    [92.3076923076923, 75.0, 54.54545454545455, 30.0],
    0.8574039191604413,
  ],
  [
    ["he said &quot;go&quot; &amp; left <now>", "x. y, z"],
    ['he said "go" & left <now>', "x . y , z"],
    100.00000000000004,
    [100.0, 100.0, 100.0, 100.0],
    1.0,
  ],
  [
    ["this is a long translation that says far more than it ever should say"],
    ["this is a long translation"],
    26.58483576665878,
    [35.714285714285715, 30.76923076923077, 25.0, 18.181818181818183],
    1.0,
  ],
  [["short one"], ["this is a reference of quite some more words than the short one"], 0.0, [100.0, 100.0, 0.0, 0.0], 0.004086771438464067],
  [["œuvre d'art…", "« non »"], ["œuvre d'art …", "« non ! »"], 0.0, [80.0, 33.333333333333336, 50.0, 0.0], 0.6703200460356393],
];

describe("bleu", () => {
  it.each(cases)("agrees with sacreBLEU on %j", (translations, references, score, precisions, brevity) => {
    const found = bleu(translations, references);
    // Four logarithms, an exponential and some products of double precision.
    expect(Math.abs(found.score - score)).toBeLessThanOrEqual(100 * 16 * Number.EPSILON);
    found.precisions.forEach((precision, i) => expect(precision).toBeCloseTo(precisions[i]!, 12));
    expect(found.brevityPenalty).toBeCloseTo(brevity, 12);
  });

  it("is, by hand, the geometric mean of the precisions times what brevity costs", () => {
    // the cat sat down / the cat sat: 3 of 4 words, 2 of 3 pairs, 1 of 2 triples, 0 of 1 quadruples, for which half of 1 counts.
    const { score, precisions } = bleu(["the cat sat down"], ["the cat sat"]);
    [75, 200 / 3, 50, 50].forEach((precision, i) => expect(precisions[i]).toBeCloseTo(precision, 12));
    expect(score / 100).toBeCloseTo((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** (1 / 4), 12); // prettier-ignore
    // All is right, and two words of six are missing.
    expect(bleu(["a b c d"], ["a b c d e f"]).score / 100).toBeCloseTo(Math.exp(1 - 6 / 4), 12);
  });

  it("counts a word of the reference once, sums over the corpus, and stands nothing at all", () => {
    expect(bleu(["the the"], ["the cat"]).precisions[0]).toBe(50);
    expect(bleu([""], ["a"]).score).toBe(0);
    expect(bleu([], []).score).toBe(0);
  });
});

it("parts words as mteval-v13a does", () => {
  expect(tokenize13a("it's 3.5 km, isn't it? 1990-2000...")).toEqual(["it's", "3.5", "km", ",", "isn't", "it", "?", "1990", "-", "2000", ".", ".", "."]); // prettier-ignore
});
