import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { predict } from "@heed/nn";
import { configure, randomKey } from "@heed/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunPlan, RunResult } from "../../experiment.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { session, type Session } from "../../runner/testing.ts";
import { sentenceBatch } from "../../text/sentences.ts";
import { prepareTagging, type TaggingData } from "./data.ts";
import { models, tagging, type TaggingDetails } from "./index.ts";
import { makeTagger, type AttentionTagger } from "./models.ts";
import runs from "./runs.ts";

const folder = mkdtempSync(join(tmpdir(), "heed-tagging-"));
const settings = { experiment: "tagging", profile: "quick", seed: 1, precision: "deterministic", data: folder, options: {} } as const;
const context = { progress: () => {}, checkStop: () => {} };

/** Words that are a verb behind a pronoun and a noun behind an article; every third sentence of the test part has a word that is new. */
function treebank(first: number, count: number, fresh = false): string {
  const doubles = ["saw", "run", "walk", "talk", "look", "drink"];
  return Array.from({ length: count }, (_, i) => {
    const at = (first + i) * 7;
    const noun = fresh && i % 3 === 0 ? `new${i}` : doubles[(at + 1 + (i % 5)) % 6]!;
    const words = [["I", "PRON"], [doubles[at % 6]!, "VERB"], ["a", "DET"], [noun, "NOUN"]]; // prettier-ignore
    return `${words.map(([form, tag], w) => [w + 1, form, form, tag, "_", "_", "_", "_", "_", "_"].join("\t")).join("\n")}\n`;
  }).join("\n");
}

let data: TaggingData;
beforeAll(async () => {
  writeFileSync(join(folder, "en_x-ud-train.conllu.gz"), gzipSync(treebank(0, 800)));
  writeFileSync(join(folder, "en_x-ud-dev.conllu"), treebank(800, 30));
  writeFileSync(join(folder, "en_x-ud-test.conllu"), treebank(900, 30, true));
  ({ data } = await prepareTagging(settings, context));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Model = (typeof models)[number];

function learned(model: Model, stopAfter: number, from?: Checkpoint): Promise<Session> {
  const plan: RunPlan = { id: `${model}-seed-1`, model, seed: 1, config: { model, epochs: 24, draw: true } };
  return session(runs, { plan, data, settings, stopAfter, from });
}

const knownOf = ({ evaluations }: RunResult): number => evaluations.at(-1)!.metrics.known!;
const wholes = new Map<Model, Awaited<ReturnType<typeof learned>>>();
const saidOf = ({ details }: RunResult): readonly string[] => (details as unknown as TaggingDetails).shown.said;

describe("on sentences like that with the two saws", () => {
  it.each(models)(
    "%s resumes to the same bits, and tells the two apart if it can",
    async (model) => {
      const whole = await learned(model, Infinity);
      const first = await learned(model, 3);
      expect([first.result.state, first.result.step]).toEqual(["partial", 3]);
      const second = await learned(model, Infinity, first.checkpoint);
      expect(second.result.losses).toEqual(whole.result.losses);
      expect(second.result.details).toEqual(whole.result.details);
      expect(second.result.stateSha256).toEqual(whole.result.stateSha256);
      expect(second.checkpoint.state).toEqual(whole.checkpoint.state);

      const seesPlaces = model === "window" || model === "lstm" || model === "attention";
      const said = saidOf(whole.result);
      if (seesPlaces) {
        expect(said).toEqual(["PRON", "VERB", "DET", "NOUN"]);
        expect(knownOf(whole.result)).toBeGreaterThan(0.95);
      } else {
        expect(said[1]).toBe(said[3]);
        expect(knownOf(whole.result)).toBeLessThan(0.9);
      }
    },
    120_000,
  );
});

it("draws weights as rows that sum to 1; without positions equal words have equal rows", () => {
  configure({ precision: "deterministic" });
  const shape = { words: 9, tags: 3, wordDim: 4, width: 8, layers: 2, heads: 2, dropoutP: 0.1 };
  const batch = sentenceBatch([Int32Array.of(2, 3, 4, 3), Int32Array.of(5, 6)]);
  for (const model of ["attention", "attention-no-positions"] as const) {
    const tagger = makeTagger({ ...shape, model }, randomKey(3)) as AttentionTagger;
    const layers = predict({ forward: (one: typeof batch) => tagger.weights(one) }, batch).map(
      (weights) => weights.toArray() as number[][][][],
    );
    expect(layers).toHaveLength(2);
    for (const head of layers.flatMap(([first]) => first!)) {
      for (const row of head) expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
      const alike = head[1]!.every((weight, j) => Math.abs(weight - head[3]![j]!) < 1e-6);
      expect(alike).toBe(model === "attention-no-positions");
    }
    // Whoever is beside a sentence, and whatever fills it up, changes nothing.
    const alone = predict(tagger, sentenceBatch([Int32Array.of(5, 6)])).toArray() as number[][];
    const beside = predict(tagger, batch).toArray() as number[][];
    alone.forEach((row, i) => row.forEach((logit, tag) => expect(beside[4 + i]![tag]).toBeCloseTo(logit, 5)));
  }
});

it("the window sees five words before and after, and no other sentence", () => {
  configure({ precision: "deterministic" });
  const shape = { words: 9, tags: 3, wordDim: 4, width: 8, layers: 2, heads: 2, dropoutP: 0.1 };
  const tagger = makeTagger({ ...shape, model: "window" }, randomKey(4));
  const [length, middle] = [13, 6];
  const logitsOf = (...sentences: Int32Array[]) => predict(tagger, sentenceBatch(sentences)).toArray() as number[][];
  const plain = Int32Array.from({ length }, (_, i) => 2 + (i % 5));
  const before = logitsOf(plain)[middle]!;
  for (let place = 0; place < length; place++) {
    const changed = Int32Array.from(plain);
    changed[place] = 8;
    const after = logitsOf(changed)[middle]!;
    expect([place, after.every((logit, tag) => logit === before[tag])]).toEqual([place, Math.abs(place - middle) > 5]);
  }
  const short = Int32Array.of(2, 3);
  const between = logitsOf(plain, short, plain).slice(length, length + 2);
  logitsOf(short).forEach((row, i) => row.forEach((logit, tag) => expect(between[i]![tag]).toBeCloseTo(logit, 5)));
});

it("counts the most frequent tag of each word, and nouns for new ones", async () => {
  // Of the words in two classes half are right at most, by symmetry of the made-up treebank; "I", "a" and new words always.
  const { description } = await prepareTagging(settings, context);
  const [{ value }] = description.references as unknown as [{ value: number }];
  const { train: of, test, tags } = data;
  const most = new Map<number, number>();
  for (const id of new Set(of.ids)) {
    const seen = tags.map((_, tag) => of.ids.reduce((sum, other, i) => sum + Number(other === id && of.tags[i] === tag), 0));
    most.set(id, seen.indexOf(Math.max(...seen)));
  }
  const right = test.ids.reduce((sum, id, i) => sum + Number((most.get(id) ?? tags.indexOf("NOUN")) === test.tags[i]), 0);
  expect(value).toBe(right / test.ids.length);
  expect(description.unknownTestWords).toBe("8.3 %");
});

it("says what is wrong with a folder", async () => {
  const there = mkdtempSync(join(tmpdir(), "heed-tagging-"));
  const prepare = () => prepareTagging({ ...settings, data: there }, context);
  try {
    await expect(prepare()).rejects.toThrow(/must hold one file …-train.conllu, or that with .gz, and holds 0/);
    for (const part of ["train", "dev", "test"]) writeFileSync(join(there, `x-${part}.conllu`), "1\ta\t_\t_\t_\t_\t_\t_\t_\t_\n");
    await expect(prepare()).rejects.toThrow(/x-train.conllu, sentence at line 1: "a" has no word class/);
    writeFileSync(join(there, "x-train.conllu"), "1\ta\n");
    await expect(prepare()).rejects.toThrow(/ten fields/);
    await expect(prepareTagging({ ...settings, data: join(there, "absent") }, context)).rejects.toThrow(/pass --data/);
  } finally {
    rmSync(there, { recursive: true });
  }
});

it("reports what each model says of both saws", async () => {
  const { result } = wholes.get("attention") ?? (await learned("attention", Infinity));
  const { description } = await prepareTagging(settings, context);
  const report = tagging.outcome({
    settings: { ...settings, options: { models: ["attention"] } },
    profile: tagging.profiles.quick,
    seeds: [1],
    data: description,
    results: [result],
    partial: false,
  });
  const table = report.sections.find(({ title }) => title === "I saw a saw");
  expect(table).toMatchObject({ kind: "table", table: { rows: [["attention", "1", "PRON", "VERB", "DET", "NOUN"]] } });
  const drawn = report.sections.find(({ kind }) => kind === "weights");
  expect(drawn).toMatchObject({ samples: [{ title: "attention, layer 1, head 1", rows: ["I", "saw", "a", "saw"] }, {}, {}, {}, {}, {}, {}, {}] }); // prettier-ignore
}, 60_000);
