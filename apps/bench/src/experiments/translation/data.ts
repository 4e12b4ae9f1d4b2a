import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readPairs, Subwords, Vocabulary } from "@heed/datasets";
import { randomKey, randomOrder, randomStream } from "@heed/tensor";
import { UserError } from "../../errors.ts";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { encoded, type Sentences } from "../../text/sentences.ts";
import { lengthClasses, translation } from "./index.ts";
import { languages, normalised, wordCount, wordsOf, type Language } from "./sentence.ts";

export type Parts = "train" | "validation" | "test";

export interface TranslationData {
  /** How a sentence becomes numbers, as JSON: `Subwords` and `Vocabulary`. */
  readonly tokens: Readonly<Record<Language, { readonly subwords: unknown; readonly vocabulary: unknown }>>;
  /** As numbers of pieces. */
  readonly pairs: Readonly<Record<Parts, Readonly<Record<Language, Sentences>>>>;
  /** The test sentences as they are, normalised. */
  readonly texts: Readonly<Record<Language, readonly string[]>>;
  /** So many of the test sentences are drawn from all; the others make up for the lengths that are rare. */
  readonly drawn: number;
}

/** Numbers of the special tokens, in both languages. */
export const special = { padding: 0, start: 1, end: 2, unknown: 3 } as const;
const specialTokens = ["<pad>", "<s>", "</s>", "<unk>"];

/** Pieces that occur less often are unknown. */
const leastCount = 5;
const beside = fileURLToPath(new URL("../../../../../../shared/data/tatoeba-eng-fra", import.meta.url));

export interface Amounts {
  /** Training pairs at most; 0 for all. */
  readonly pairs: number;
  /** Words of a sentence at most. */
  readonly longest: number;
  /** Merges of each language. */
  readonly merges: number;
  /** English sentences kept aside: drawn from all for test and for validation, and test sentences of each class of lengths at least. */
  readonly test: number;
  readonly validation: number;
  readonly perClass: number;
}

export async function prepareTranslation(settings: Settings, { progress, checkStop }: PrepareContext): Promise<Prepared<TranslationData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(folder))
    throw new UserError("the sentence pairs are not in ../shared/data/tatoeba-eng-fra: pass --data with the folder that holds them.");
  const files = (await readdir(folder)).filter((name) => /\.(?:txt|tsv)\.gz$/.test(name));
  if (files.length !== 1)
    throw new UserError(`${folder} must hold one .txt.gz or .tsv.gz file of sentence pairs, and holds ${files.length}.`);
  const amounts = translation.profiles[settings.profile].amounts as unknown as Amounts;
  progress(`read ${files[0]}`);
  const hash = createHash("sha256");
  const pairs: Pair[] = [];
  for await (const [en, fr] of readPairs(hashed(join(folder, files[0]!), hash), { name: files[0]! })) {
    const pair = pairOf(normalised(en), normalised(fr));
    if (pair.count.en >= 1 && pair.count.fr >= 1 && Math.max(pair.count.en, pair.count.fr) <= amounts.longest) pairs.push(pair);
  }
  const parts = split(pairs, amounts);
  checkStop();
  const tokens = {} as Record<Language, { subwords: Subwords; vocabulary: Vocabulary }>;
  for (const language of languages) {
    progress(`learn the pieces of ${language}`);
    tokens[language] = learn(parts.train.map(({ words }) => words[language]), amounts.merges); // prettier-ignore
  }
  const pieces = (part: readonly Pair[], language: Language): Sentences => {
    const { subwords, vocabulary } = tokens[language];
    return encoded(part.map(({ words }) => words[language].flatMap((word) => subwords.encode(word))), vocabulary); // prettier-ignore
  };
  const both = (part: readonly Pair[]) => ({ en: pieces(part, "en"), fr: pieces(part, "fr") });
  return {
    description: {
      name: "tatoeba",
      pairs: parts.train.length,
      split: [parts.train.length, parts.validation.length, parts.test.length].join(" / "),
      vocabulary: languages.map((language) => `${language} ${tokens[language].vocabulary.size}`).join(", "),
      fingerprint: hash.digest("hex").slice(0, 16),
    },
    data: {
      tokens: { en: plain(tokens.en), fr: plain(tokens.fr) },
      pairs: { train: both(parts.train), validation: both(parts.validation), test: both(parts.test) },
      texts: { en: parts.test.map(({ text }) => text.en), fr: parts.test.map(({ text }) => text.fr) },
      drawn: Math.min(amounts.test, parts.test.length),
    },
  };
}

interface Pair {
  readonly text: Readonly<Record<Language, string>>;
  readonly words: Readonly<Record<Language, readonly string[]>>;
  readonly count: Readonly<Record<Language, number>>;
}

function pairOf(en: string, fr: string): Pair {
  const words = { en: wordsOf(en, "en"), fr: wordsOf(fr, "fr") };
  return { text: { en, fr }, words, count: { en: wordCount(words.en), fr: wordCount(words.fr) } };
}

async function* hashed(file: string, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of createReadStream(file) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    yield chunk;
  }
}

/**
 * By English sentence, in an order that never changes: test sentences drawn from all, validation sentences, more test sentences until each class of lengths
 * has enough; one French sentence of each. What is left is for training, but for pairs whose French sentence was kept aside.
 */
function split(pairs: readonly Pair[], { pairs: most, test, validation, perClass }: Amounts): Record<Parts, Pair[]> {
  const key = randomKey(0).split("translation");
  const bySentence = new Map<string, Pair[]>();
  for (const pair of pairs) bySentence.set(pair.text.en, [...(bySentence.get(pair.text.en) ?? []), pair]);
  const groups = [...bySentence.values()];
  const order = [...randomOrder(key.split("order"), groups.length)].map((g) => groups[g]!);
  const draw = randomStream(key.split("one of each"));
  const one = (group: readonly Pair[]) => group[draw.integer(group.length)]!;
  const drawnTest = order.slice(0, test).map(one);
  const drawnValidation = order.slice(test, test + validation).map(one);
  const missing = lengthClasses.map((_, c) => perClass - drawnTest.filter((pair) => classOf(pair) === c).length);
  const rest: Pair[][] = [];
  const longer: Pair[] = [];
  for (const group of order.slice(test + validation)) {
    const at = classOf(group[0]!);
    if (missing[at]-- > 0) longer.push(one(group));
    else rest.push(group);
  }
  const aside = new Set([...drawnTest, ...drawnValidation, ...longer].map(({ text }) => text.fr));
  const train = rest.flat().filter(({ text }) => !aside.has(text.fr));
  return { train: most > 0 ? train.slice(0, most) : train, validation: drawnValidation, test: [...drawnTest, ...longer] };
}

const classOf = ({ count }: Pair): number => lengthClasses.findIndex(({ most }) => count.en <= most);

function learn(sentences: readonly (readonly string[])[], merges: number): { subwords: Subwords; vocabulary: Vocabulary } {
  const counts = new Map<string, number>();
  for (const words of sentences) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const subwords = Subwords.learn(counts, { merges });
  const pieces = sentences.map((words) => words.flatMap((word) => subwords.encode(word)));
  return { subwords, vocabulary: Vocabulary.build(pieces, { special: specialTokens, unknown: "<unk>", minCount: leastCount }) };
}

const plain = ({ subwords, vocabulary }: { subwords: Subwords; vocabulary: Vocabulary }) => ({
  subwords: subwords.toJSON(),
  vocabulary: vocabulary.toJSON(),
});
