import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Subwords, Vocabulary } from "@heed/datasets";
import { randomKey, randomStream } from "@heed/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject, RunPlan } from "../../experiment.ts";
import { htmlReport } from "../../report/html-report.ts";
import { markdownReport } from "../../report/markdown.ts";
import type { Report } from "../../report/report.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { session, type Session } from "../../runner/testing.ts";
import { lengthsOf, sentence } from "../../text/sentences.ts";
import { prepareTranslation, type Parts, type TranslationData } from "./data.ts";
import { lengthClasses, models, translation, type ModelName, type TranslationDetails } from "./index.ts";
import runs from "./runs.ts";

const folder = mkdtempSync(join(tmpdir(), "heed-translation-"));
const settings = {
  experiment: "translation",
  profile: "smoke",
  seed: 1,
  precision: "deterministic",
  data: folder,
  options: { python: "no such program" },
} as const;
const context = { progress: () => {}, checkStop: () => {} };

const english = ["red", "green", "blue", "black", "white", "small", "large", "old"];
const french = ["rouge", "vert", "bleu", "noir", "blanc", "petit", "grand", "vieux"];
let data: TranslationData;

/** Some words and a full stop, said backwards in French; each English sentence twice, the second time with another end in French. */
beforeAll(async () => {
  const stream = randomStream(randomKey(5));
  const lines = Array.from({ length: 300 }, () => {
    const words = Array.from({ length: 1 + stream.integer(4) }, () => stream.integer(english.length));
    const said = words.toReversed().map((word) => french[word]!);
    const text = words.map((word) => english[word]!).join(" ");
    return [`${text}.\t${said.join(" ")}.`, `${text}.\t${said.join(" ")} !`];
  });
  writeFileSync(join(folder, "pairs.txt.gz"), gzipSync(`${lines.flat().join("\n")}\n`));
  ({ data } = await prepareTranslation(settings, context));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("prepareTranslation", () => {
  const texts = (part: Parts, language: "en" | "fr") => {
    const vocabulary = Vocabulary.fromJSON(data.tokens[language].vocabulary);
    const rows = data.pairs[part][language];
    return Array.from({ length: lengthsOf(rows).length }, (_, i) => Subwords.decode(vocabulary.decode(sentence(rows, i))).join(" "));
  };

  it("keeps sentences aside in both languages: no test or validation sentence is trained on", () => {
    for (const language of ["en", "fr"] as const) {
      const trained = new Set(texts("train", language));
      for (const part of ["test", "validation"] as const) {
        expect(texts(part, language).length).toBeGreaterThanOrEqual(20);
        expect(texts(part, language).filter((text) => trained.has(text))).toEqual([]);
      }
    }
    expect(new Set(texts("test", "en")).size).toBe(texts("test", "en").length);
  });

  it("keeps pairs together, and test sentences as they are", () => {
    const other = (text: string) => text.split(" ").slice(0, -1).toReversed().map((word) => french[english.indexOf(word)]!).join(" "); // prettier-ignore
    texts("train", "en").forEach((text, i) => expect(texts("train", "fr")[i]!.slice(0, -2)).toBe(other(text)));
    expect(data.texts.en.map((text) => text.replace(".", " ."))).toEqual(texts("test", "en"));
    expect(data.drawn).toBe(20);
  });

  it("gives the same for the same file, and says what a folder must hold", async () => {
    const again = await prepareTranslation(settings, context);
    expect(again.data).toEqual(data);
    const empty = mkdtempSync(join(tmpdir(), "heed-translation-"));
    try {
      await expect(prepareTranslation({ ...settings, data: empty }, context)).rejects.toThrow(
        /must hold one .txt.gz or .tsv.gz file .* holds 0/,
      );
      writeFileSync(join(empty, "a.tsv.gz"), gzipSync("one\tun\ntwo\n"));
      await expect(prepareTranslation({ ...settings, data: empty }, context)).rejects.toThrow(
        /a line holds two sentences.*file "a.tsv.gz", line 2/,
      );
      writeFileSync(join(empty, "a.tsv.gz"), gzipSync("one\tun\n").subarray(0, 22));
      await expect(prepareTranslation({ ...settings, data: empty }, context)).rejects.toThrow(/gzip data are damaged or cut off/);
    } finally {
      rmSync(empty, { recursive: true });
    }
  });
});

it("trains all models in each direction, and one more of the first direction for longer", () => {
  const ids = (profile: "smoke" | "full", options: JsonObject = {}) => {
    const planned = { settings: { ...settings, profile, options }, profile: translation.profiles[profile], seeds: [3], data: { name: "" }, results: [] }; // prettier-ignore
    return translation.stages[0]!.plan(planned).map(({ id, config }) => `${id} ${config.epochs as number}`);
  };
  expect(ids("smoke")).toEqual(["attention-fr-en-seed-3 2", "fixed-fr-en-seed-3 2", "transformer-fr-en-seed-3 2", "longer-fr-en-seed-3 3"]);
  expect(ids("full")).toEqual([
    ...["attention", "fixed", "transformer"].map((model) => `${model}-fr-en-seed-3 2`),
    "longer-fr-en-seed-3 6",
    ...["attention", "fixed", "transformer"].map((model) => `${model}-en-fr-seed-3 2`),
  ]);
  expect(ids("full", { models: ["longer", "fixed"], directions: ["en-fr"] })).toEqual(["longer-en-fr-seed-3 6", "fixed-en-fr-seed-3 2"]);
});

const plan = (model: ModelName, epochs: number): RunPlan => ({
  id: `${model}-fr-en-seed-1`,
  model,
  seed: 1,
  config: { direction: "fr-en", model, epochs, width: 24, hidden: 24, layers: 1, dropoutP: 0.1 },
});

const learned = (planned: RunPlan, stopAfter: number, from?: Checkpoint): Promise<Session> =>
  session(runs, { plan: planned, data, settings, stopAfter, from });

describe.each(models)("%s", (model) => {
  it("trains, and resumes in the middle of an epoch to the same bits", async () => {
    const planned = plan(model, 4);
    const whole = await learned(planned, Infinity);
    expect(whole.result.state).toBe("done");
    const { losses } = whole.result;
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
    const first = await learned(planned, Math.floor(losses.length / 2) + 1);
    expect(first.result.state).toBe("partial");
    const second = await learned(planned, Infinity, first.checkpoint);
    expect(second.result.losses).toEqual(losses);
    expect(second.result.stateSha256).toBe(whole.result.stateSha256);
    expect(second.result.evaluations.map(({ metrics }) => metrics)).toEqual(whole.result.evaluations.map(({ metrics }) => metrics));
  }, 60_000);
});

it("learns to translate backwards, shows where it looked, and reports it", async () => {
  const { result } = await learned(plan("attention", 30), Infinity);
  const details = result.details as unknown as TranslationDetails;
  expect(details.beam).toBeGreaterThan(50);
  expect(result.evaluations.at(-1)!.metrics.bleu).toBe(details.greedy);
  expect(details.library).toBeUndefined();
  expect(details.byLength.reduce((sum, { sentences }) => sum + sentences, 0)).toBe(data.texts.en.length);
  expect(details.byLength[lengthClasses.length - 1]).toEqual({ sentences: 0, bleu: null });
  const [first] = details.alignments;
  expect(first!.source).toEqual(["bonjour", "le", "monde", "."]);
  for (const { source, target, weights } of details.alignments) {
    expect(weights.length).toBe(target.length);
    for (const row of weights) {
      expect(row.length).toBe(source.length);
      // Words are rounded to four places each.
      expect(Math.abs(row.reduce((sum, weight) => sum + weight, 0) - 1)).toBeLessThanOrEqual(source.length * 5e-5 + 1e-5);
    }
  }
  const other = { ...result, model: "fixed" };
  const outcomeContext = { settings, profile: translation.profiles.smoke, seeds: [1], data: { name: "tatoeba" }, partial: false };
  const outcome = translation.outcome({ ...outcomeContext, results: [result, other] });
  const report: Report = {
    ...outcomeContext,
    title: "bench translation",
    experiment: translation,
    threads: 1,
    machine: { cpu: "one", cores: 2, memoryBytes: 2 ** 34, os: "Linux", arch: "x64" },
    versions: { node: "24" },
    date: "2026-01-02T03:04:05.000Z",
    seconds: 12,
    command: "bench translation",
    results: [result, other],
    outcome,
  };
  expect(htmlReport(report)).not.toMatch(/NaN|undefined|Infinity/);
  const text = markdownReport(report);
  expect(text).toContain("| French to English | what attention adds | +0.0 (× 1.0) | – | – | – |");
  expect(text).toContain("## Translations, French to English");
  expect(translation.outcome({ ...outcomeContext, results: [] }).headline).toMatch(/Nothing was measured/);
}, 60_000);
