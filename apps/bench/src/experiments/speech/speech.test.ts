import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluating, predict } from "@heed/nn";
import { concat, full, noGrad, normal, randomKey, slice, type Tensor } from "@heed/tensor";
import { expectClose } from "@heed/tensor/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunPlan, RunResult, Settings } from "../../experiment.ts";
import { machine } from "../../machine/machine.ts";
import { htmlReport } from "../../report/html-report.ts";
import type { Report } from "../../report/report.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { session, type Session } from "../../runner/testing.ts";
import { augmented } from "./augmented.ts";
import { partOf, prepareSpeech, recording, type SpeechData } from "./data.ts";
import { speech } from "./index.ts";
import { lastWeights, SpeechNet, type SpeechShape } from "./models.ts";
import { modelNames, models } from "./plans.ts";
import runs from "./runs.ts";

const folder = mkdtempSync(join(tmpdir(), "heed-speech-"));
afterAll(() => rmSync(folder, { recursive: true }));
const settings: Settings = { experiment: "speech", profile: "smoke", seed: 1, precision: "deterministic", data: folder, options: {} };
const quiet = { progress: () => {}, checkStop: () => {} };
const key = randomKey(7);

/** A tone as a WAV file of 8,000 samples a second. */
function tone(hertz: number, samples: number, loud: number): Buffer {
  const bytes = Buffer.alloc(44 + 2 * samples);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + 2 * samples, 4);
  bytes.write("WAVEfmt ", 8);
  for (const [at, value] of [[16, 16], [24, 8000], [28, 16_000], [40, 2 * samples]] as const) bytes.writeUInt32LE(value, at); // prettier-ignore
  for (const [at, value] of [[20, 1], [22, 1], [32, 2], [34, 16]] as const) bytes.writeUInt16LE(value, at); // prettier-ignore
  bytes.write("data", 36);
  for (let i = 0; i < samples; i++) bytes.writeInt16LE(Math.round(32_000 * loud * Math.sin((2 * Math.PI * hertz * i) / 8000)), 44 + 2 * i);
  return bytes;
}

/** Digits are pitches, speakers are loud or soft. */
let data: SpeechData;
beforeAll(async () => {
  mkdirSync(join(folder, "recordings"));
  for (const digit of [0, 3, 7])
    for (const [at, speaker] of ["ada", "bob"].entries())
      for (let take = 0; take < 9; take++)
        writeFileSync(
          join(folder, "recordings", `${digit}_${speaker}_${take}.wav`),
          tone(300 * (digit + 1) + 10 * take, 1200 + 80 * take, 0.2 + 0.5 * at),
        );
  ({ data } = await prepareSpeech(settings, quiet));
});

describe("prepareSpeech", () => {
  it("reads log-mel frames, by digit, speaker and number, as far as the profile wants them", () => {
    // 8 of 9 takes; 200 samples are a frame, 80 lie between two.
    expect(data.takes).toHaveLength(3 * 2 * 8);
    expect(recording(data, 2)).toHaveLength(40 * (1 + Math.floor((1360 - 200) / 80)));
    expect(Array.from(data.labels.digit.slice(14, 18))).toEqual([0, 0, 3, 3]);
    expect(Array.from(data.labels.speaker.slice(6, 10))).toEqual([0, 0, 1, 1]);
    expect(data.classes.speaker).toEqual(["ada", "bob"]);
    expect((["test", "validation", "train"] as const).map((part) => partOf(data, part).length)).toEqual([30, 12, 6]);
  });

  it("says what is wrong with a folder", async () => {
    const other = mkdtempSync(join(tmpdir(), "heed-speech-"));
    const prepare = () => prepareSpeech({ ...settings, data: other }, quiet);
    await expect(prepare()).rejects.toThrow("holds no recordings named digit_speaker_number.wav");
    writeFileSync(join(other, "7_theo_0.wav"), tone(300, 800, 0.5));
    await expect(prepare()).rejects.toThrow("has no recordings for the validation part");
    writeFileSync(join(other, "7_theo_5.wav"), "RIFF");
    await expect(prepare()).rejects.toThrow("7_theo_5.wav");
    rmSync(other, { recursive: true });
    await expect(prepare()).rejects.toThrow("pass --data");
  });
});

describe("augmented", () => {
  const deviations = new Float32Array(40).fill(2);
  const frames = Float32Array.from({ length: 40 * 20 }, (_, i) => 100 + i);

  it("cuts at most three frames at either end, blanks out, and is the same from the same key", () => {
    for (let i = 0; i < 200; i++) {
      const one = augmented(frames, deviations, key.split(i));
      expect(one).toEqual(augmented(frames, deviations, key.split(i)));
      expect(one.length % 40).toBe(0);
      expect(one.length / 40).toBeGreaterThanOrEqual(14);
      expect(one.length / 40).toBeLessThanOrEqual(20);
      // What is left moved by one number, of frames that were neighbours.
      const kept = one.findIndex((value) => value !== 0);
      const rows = Array.from({ length: one.length / 40 }, (_, t) => one.slice(40 * t, 40 * t + 40));
      const seen = rows.map((row) => row.findIndex((value) => value !== 0)).filter((b) => b >= 0);
      expect(kept).toBeGreaterThanOrEqual(0);
      expect(rows.length - seen.length).toBeLessThanOrEqual(8);
      for (const row of rows)
        expect(row.filter((value) => value === 0).length === 40 || row.filter((value) => value === 0).length <= 12).toBe(true);
    }
  });

  it("leaves short recordings long enough, and the original as it was", () => {
    const short = frames.slice(0, 40 * 5);
    const before = short.slice();
    for (let i = 0; i < 50; i++) expect(augmented(short, deviations, key.split(i))).toHaveLength(40 * 5);
    expect(augmented(frames.slice(0, 40), deviations, key)).toHaveLength(40);
    expect(short).toEqual(before);
  });
});

describe.each(modelNames)("%s", (name) => {
  const shape: SpeechShape = { ...models[name], bands: 5, width: 8, heads: 2, hidden: 16, classes: 3, dropoutP: 0.1 };
  const model = new SpeechNet(shape, key);
  const frames = normal(key, [2, 24, 5]);
  const lengths = Int32Array.of(17, 24);

  it("hears nothing of padding: a recording alone says what it says in a batch", () => {
    const batch = predict(model, { frames, lengths });
    const first = slice(frames, 0, 0, 1);
    const alone = predict(model, { frames: slice(first, 1, 0, 17), lengths: Int32Array.of(17) });
    expectClose(alone, slice(batch, 0, 0, 1), 1e-5);
    const loud = concat([concat([slice(first, 1, 0, 17), full([1, 7, 5], 9)], 1), slice(frames, 0, 1, 2)], 0);
    expectClose(predict(model, { frames: loud, lengths }), batch, 1e-5);
  });

  it("says the same layer by layer, and with its weights", () => {
    const whole = predict(model, { frames, lengths });
    expectClose(predict({ forward: () => model.stream({ frames, lengths }) }), whole, 1e-6);
    const { logits, weights } = evaluating(() => noGrad(() => model.attend({ frames, lengths })));
    expectClose(logits, whole, 1e-5);
    const rows = weights.toArray() as number[][];
    for (const row of rows) expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    expect(rows[0]!.slice(17)).toEqual(new Array(7).fill(0));
  });

  it("is small enough to be stored in 1.5 MB of float16", () => {
    const { width } = speech.profiles.full as unknown as { width: number };
    const { parameterCount } = new SpeechNet({ ...shape, bands: 40, width, hidden: 2 * width, heads: 4, classes: 10 }, key);
    expect(parameterCount).toBeLessThan(750_000);
  });
});

it("looks no further than its window", () => {
  const shape: SpeechShape = { ...models["window-4"], bands: 5, width: 8, heads: 2, hidden: 16, classes: 3, dropoutP: 0 };
  const frames = normal(key, [1, 20, 5]);
  const lengths = Int32Array.of(20);
  const weights = lastWeights(new SpeechNet(shape, key), { frames, lengths })!;
  weights.forEach((row, i) => row.forEach((weight, j) => expect(weight > 0).toBe(Math.abs(i - j) <= 4)));
  const logits = (window: number | null): Tensor => predict(new SpeechNet({ ...shape, window }, key), { frames, lengths });
  expectClose(logits(20), logits(null), 1e-6);
  expect(lastWeights(new SpeechNet({ ...shape, ...models.lstm }, key), { frames, lengths })).toBeUndefined();
});

const learned = (plan: RunPlan, stage: string, stopAfter = Infinity, from?: Checkpoint): Promise<Session> =>
  session(runs, { plan, data, settings, stage, stopAfter, from });

const context = { settings, seeds: [1], data: { name: "tones", counts: { test: 30 }, speakers: ["ada", "bob"] } };

it("ends with the same bits when it was stopped and resumed", async () => {
  const profile = { ...speech.profiles.smoke, digit: 12, width: 32 };
  const plan = speech.stages[0]!.plan({ ...context, profile, results: [] }).find(({ id }) => id === "digit-window-8-seed-1")!;
  const whole = await learned(plan, "train");
  expect(whole.result.state).toBe("done");
  expect(whole.result.losses.at(-1)!).toBeLessThan(whole.result.losses[0]!);
  const first = await learned(plan, "train", 5);
  expect([first.result.state, first.result.step]).toEqual(["partial", 5]);
  const second = await learned(plan, "train", Infinity, first.checkpoint);
  expect(second.result.stateSha256).toBe(whole.result.stateSha256);
  expect(second.result.losses).toEqual(whole.result.losses);
  expect(second.result.details).toEqual(whole.result.details);
}, 60_000);

it("runs all of the smoke profile, and reports it, whole or interrupted", async () => {
  const profile = speech.profiles.smoke;
  const results: RunResult[] = [];
  for (const stage of speech.stages)
    for (const plan of stage.plan({ ...context, profile, results })) results.push((await learned(plan, stage.name)).result);
  expect(new Set(results.map(({ id }) => id)).size).toBe(results.length);
  const html = (some: readonly RunResult[], partial: boolean): string => {
    const report = {
      title: "speech",
      experiment: speech,
      settings,
      partial,
      seeds: [1],
      threads: 1,
      data: context.data,
      machine: machine(),
      versions: {},
      date: "2026-01-01T00:00:00.000Z",
      seconds: 1,
      command: "bench speech",
      results: some,
      outcome: speech.outcome({ ...context, profile, results: some, partial }),
    } as unknown as Report;
    // Pictures are letters by chance.
    return htmlReport(report).replaceAll(/base64,[^"]*/g, "");
  };
  const whole = html(results, false);
  expect(whole).toContain("who attends to whom");
  expect(whole).toContain("± 8");
  expect(whole).not.toMatch(/NaN|undefined|Infinity/);
  for (const some of [[], results.slice(0, 3), results.filter(({ stage }) => stage === "train")])
    expect(html(some, true)).not.toMatch(/NaN|undefined|Infinity/);
  const { sections } = speech.outcome({ ...context, profile: { ...profile, minutes: [0.1, 1] }, results, partial: true });
  expect(sections.map(({ title }) => title)).toContain("Time by length");
  const { models: summaries, extra } = speech.outcome({ ...context, profile, results, partial: false });
  expect(summaries.map(({ name }) => name)).toEqual(modelNames);
  // Four heads of 600 × 600 weights.
  expect((extra!.long as { denseWeightBytes: number }[])[0]!.denseWeightBytes).toBe(4 * 600 * 600 * 4);
  for (const summary of summaries) {
    expect(summary.stepSeconds).toBeGreaterThan(0);
    expect(summary.stepBytes).toBeGreaterThan(4 * Number(summary.parameters));
  }
}, 60_000);

it("reads names of models", () => {
  const { parse } = speech.options![0]!;
  expect(parse!("full, lstm")).toEqual(["full", "lstm"]);
  expect(() => parse!("full,big")).toThrow("must be some of full, window-16");
});
