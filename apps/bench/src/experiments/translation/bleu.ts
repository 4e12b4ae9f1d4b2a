/** BLEU of a corpus, in percent, and what it is made of. */
export interface Bleu {
  readonly score: number;
  /** Of n-grams of 1 to 4 words, in percent, smoothed. */
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
}

const orders = [1, 2, 3, 4] as const;

/**
 * BLEU of translations against one reference each, as sacreBLEU 2 computes it by default: words by the rules of mteval-v13a, n-gram counts summed over the
 * corpus, and for each order without a match half the precision of the last such one ("exp").
 * @see Papineni et al. 2002; Post 2018 (arXiv:1804.08771)
 */
export function bleu(translations: readonly string[], references: readonly string[]): Bleu {
  const correct = orders.map(() => 0);
  const total = orders.map(() => 0);
  let [said, wanted] = [0, 0];
  translations.forEach((translation, i) => {
    const [words, reference] = [tokenize13a(translation), tokenize13a(references[i]!)];
    said += words.length;
    wanted += reference.length;
    for (const [at, n] of orders.entries()) {
      const known = ngrams(reference, n);
      for (const [ngram, count] of ngrams(words, n)) correct[at]! += Math.min(count, known.get(ngram) ?? 0);
      total[at]! += Math.max(0, words.length - n + 1);
    }
  });
  const brevityPenalty = said === 0 ? 0 : said < wanted ? Math.exp(1 - wanted / said) : 1;
  const none = correct.every((count) => count === 0);
  let smoothing = 1;
  const precisions = orders.map((_, at) => {
    if (none || total[at] === 0) return 0;
    if (correct[at] === 0) smoothing *= 2;
    return correct[at] === 0 ? 100 / (smoothing * total[at]!) : (100 * correct[at]!) / total[at]!;
  });
  const score = brevityPenalty * Math.exp(precisions.reduce((sum, p) => sum + Math.log(p) / orders.length, 0));
  return { score, precisions, brevityPenalty };
}

/** Words by the rules of mteval-v13a: punctuation stands alone, except apostrophes, hyphens behind letters, and points and commas within numbers. */
export function tokenize13a(text: string): string[] {
  return ` ${text} `
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll(/([{-~[-` -&(-+:-@/])/g, " $1 ")
    .replaceAll(/([^0-9])([.,])/g, "$1 $2 ")
    .replaceAll(/([.,])([^0-9])/g, " $1 $2")
    .replaceAll(/([0-9])(-)/g, "$1 $2 ")
    .split(/\s+/)
    .filter((word) => word !== "");
}

function ngrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const ngram = words.slice(i, i + n).join(" ");
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}
