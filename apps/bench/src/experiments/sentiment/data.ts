import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readLines, Vocabulary } from "@heed/datasets";
import { UserError } from "../../errors.ts";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { encoded, special, unknownId, type Sentences } from "../../text/sentences.ts";
import { sentiment } from "./index.ts";
import { piecesOf } from "./pieces.ts";

export interface Part extends Sentences {
  /** 1: the sentence is positive; 0: it is negative. */
  readonly labels: Int32Array;
}

export interface SentimentData {
  /** Words that occur more than once in the training part; `Vocabulary.fromJSON` takes it. */
  readonly known: { readonly tokens: readonly string[]; readonly unknown?: string };
  /** All different words, as `ids` number them: first what fills up, and the unknown word. */
  readonly words: readonly string[];
  /** Rows of the table of each word. */
  readonly pieces: readonly Int32Array[];
  /** Of the table: one per known word, then those that letter sequences share. */
  readonly rows: number;
  readonly buckets: number;
  /** How much more often positive sentences of the training part have the piece: the logarithm of the ratio, counts plus one. */
  readonly ratios: Float32Array;
  readonly train: Part;
  readonly validation: Part;
  readonly test: Part;
}

interface Labelled {
  readonly words: readonly string[];
  readonly label: number;
}

export const classes = ["negative", "positive"] as const;
const files = ["rt-polarity.neg", "rt-polarity.pos"] as const;
const beside = fileURLToPath(new URL("../../../../../../shared/data/sentence-polarity", import.meta.url));
/** Rows that letter sequences share. */
const buckets = 16_384;
/** Of each file every so many-th line is for testing; of the rest every so many-th for validation. */
const [testEvery, validationEvery] = [10, 10] as const;

export async function prepareSentiment(settings: Settings, { progress }: PrepareContext): Promise<Prepared<SentimentData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(folder)) {
    throw new UserError("the sentences are not in ../shared/data/sentence-polarity: pass --data with the folder that holds them.");
  }
  const limit = sentiment.profiles[settings.profile].limit as number;
  const hash = createHash("sha256");
  const parts: Record<"train" | "validation" | "test", Labelled[]> = { train: [], validation: [], test: [] };
  for (const [label, name] of files.entries()) {
    progress(`read ${name}`);
    const bytes = await readFile(join(folder, name));
    hash.update(bytes);
    let count = 0;
    for await (const { text } of readLines(bytes, { name, encoding: "latin-1" })) {
      const words = text.split(" ").filter((word) => word !== "");
      if (words.length === 0) continue;
      count++;
      const rest = count - Math.floor(count / testEvery);
      const part = count % testEvery === 0 ? "test" : rest % validationEvery === 0 ? "validation" : "train";
      parts[part].push({ words, label });
      if (count === limit) break;
    }
    if (count < 2 * testEvery) throw new UserError(`${name} holds ${count} sentences: too few to set every tenth aside.`);
  }
  const { train, validation, test } = parts;
  const texts = (sentences: readonly Labelled[]) => sentences.map(({ words }) => words);
  const known = Vocabulary.build(texts(train), { special: special.slice(0, 1), minCount: 2 });
  const all = Vocabulary.build(texts([...train, ...validation, ...test]), { special });
  const pieces = all.tokens.map((word, id) => (id <= unknownId ? new Int32Array(0) : piecesOf(word, known, buckets)));
  const rows = known.size + buckets;
  const part = (sentences: readonly Labelled[]): Part => ({
    ...encoded(texts(sentences), all),
    labels: Int32Array.from(sentences, ({ label }) => label),
  });
  const ratios = logRatios(train.map(({ words, label }) => ({ words: words.flatMap((word) => [...pieces[all.idOf(word)]!]), label })));
  return {
    description: {
      name: "sentence polarity",
      classes,
      sentences: [train, validation, test].map(({ length }) => length).join(" / "),
      vocabulary: known.size - 1,
      references: [{ label: "naive Bayes", value: naiveBayes([...train, ...validation], test) }],
      fingerprint: hash.digest("hex").slice(0, 16),
    },
    data: {
      known: known.toJSON(),
      words: all.tokens,
      pieces,
      rows,
      buckets,
      ratios: Float32Array.from({ length: rows }, (_, row) => ratios.get(row) ?? 0),
      train: part(train),
      validation: part(validation),
      test: part(test),
    },
  };
}

/**
 * How much more often positive sentences have a word than negative ones, as the logarithm of a ratio, counts plus one: words present, however often.
 * @see Wang and Manning 2012, "Baselines and Bigrams", §2
 */
function logRatios<Word>(sentences: readonly { readonly words: readonly Word[]; readonly label: number }[]): Map<Word, number> {
  const totals = [0, 0] as [number, number];
  const counts = new Map<Word, [number, number]>();
  for (const { words, label } of sentences) {
    totals[label as 0 | 1]++;
    for (const word of new Set(words)) {
      const of = counts.get(word) ?? [0, 0];
      of[label as 0 | 1]++;
      counts.set(word, of);
    }
  }
  return new Map(
    [...counts].map(([word, [no, yes]]) => [word, Math.log((yes + 1) / (totals[1] + 2)) - Math.log((no + 1) / (totals[0] + 2))]),
  );
}

/** Test accuracy of naive Bayes: the sum of the ratios of the different words of a sentence; classes are as frequent as each other. */
function naiveBayes(train: readonly Labelled[], test: readonly Labelled[]): number {
  const ratios = logRatios(train);
  const right = test.filter(({ words, label }) => {
    const odds = [...new Set(words)].reduce((sum, word) => sum + (ratios.get(word) ?? 0), 0);
    return Number(odds > 0) === label;
  });
  return right.length / test.length;
}
