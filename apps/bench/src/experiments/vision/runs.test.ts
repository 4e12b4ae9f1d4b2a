import { createHash } from "node:crypto";
import { imageSet, type ImageSet } from "@heed/datasets";
import { backend, configure } from "@heed/tensor";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Run, RunContext, RunPlan, Settings } from "../../experiment.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../results/checkpoint.ts";
import { train } from "../../runner/train.ts";
import type { VisionData } from "./data.ts";
import { modelNames, type ModelName } from "./models.ts";
import runs from "./runs.ts";

// Trainings are short, but not on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const classes = 3;
const size = 32;

/** Pictures of noise, brighter in the channel of their class. */
function pictures(count: number, seed: number): ImageSet {
  let state = seed;
  const noise = () => (state = (state * 1103515245 + 12345) % 2 ** 31) >>> 16;
  const plane = size * size;
  const images = Uint8Array.from({ length: count * 3 * plane }, (_, at) => {
    const [picture, channel] = [Math.floor(at / (3 * plane)), Math.floor(at / plane) % 3];
    return (noise() % 128) + (picture % classes === channel ? 100 : 0);
  });
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  return imageSet(images, labels, { channels: 3, height: size, width: size, classNames: ["red", "green", "blue"] });
}

const training = pictures(20, 1);
const data: VisionData = {
  train: training,
  test: pictures(12, 2),
  search: { train: Int32Array.from({ length: 16 }, (_, i) => i), validation: Int32Array.of(16, 17, 18, 19) },
  mean: [95, 95, 95],
  deviation: [60, 60, 60],
  augmentation: { flip: true, reach: 1 / 8 },
};

// 2 epochs of 5 steps.
const config = (model: ModelName) => ({
  model,
  rate: 2e-3,
  epochs: 2,
  validate: false,
  drawAttention: true,
  imageSize: size,
  embedDim: 16,
  depth: 2,
  numHeads: 2,
  start: "places" as const,
  batchSize: 4,
});
const context = (precision: Settings["precision"] = "deterministic", seed = 5): RunContext => ({
  settings: { experiment: "vision", profile: "smoke", seed, precision, options: {} },
  seed,
  checkStop() {},
});
const made: Run[] = [];
async function create(model: ModelName, of = context()): Promise<Run> {
  const run = await runs.create(config(model), data, of);
  made.push(run);
  return run;
}
const plan = (model: ModelName): RunPlan => ({ id: model, model, seed: 5, config: config(model) });

const before = backend().precision;
afterAll(() => {
  for (const run of made) run.release?.();
  configure({ precision: before });
});

/** Trains to the end, stopping before each of the steps in `stops`, with nothing but the checkpoint's bytes going on. */
async function trained(model: ModelName, stops: readonly number[], precision: Settings["precision"] = "deterministic") {
  let from: Checkpoint | undefined;
  for (const last of [...stops, Infinity]) {
    const run = await create(model, context(precision));
    let steps = from?.result.step ?? 0;
    const stop = {
      get requested() {
        return steps++ >= last;
      },
    };
    let saved: Uint8Array | undefined;
    const result = await train(run, {
      plan: plan(model),
      stage: "train",
      stop,
      from,
      checkpointSeconds: Infinity,
      save: (checkpoint) => void (saved = Buffer.concat(encodeCheckpoint(checkpoint))),
    });
    if (result.state === "done") return result;
    expect(result.step).toBe(last);
    from = decodeCheckpoint(saved!, "checkpoint");
  }
  throw new Error("never done");
}

describe.each(modelNames)("%s", (model) => {
  it("ends with the same bytes for the same seed, in either precision", async () => {
    const [first, second, fast, fastAgain] = [
      await trained(model, []),
      await trained(model, []),
      await trained(model, [], "fast"),
      await trained(model, [], "fast"),
    ];
    expect(first.stateSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(second.stateSha256).toBe(first.stateSha256);
    expect(second.losses).toEqual(first.losses);
    expect(fastAgain.stateSha256).toBe(fast.stateSha256);
    expect(first.losses).toHaveLength(10);
  });

  it("learns which of three channels is the brightest", async () => {
    const run = await runs.create({ ...config(model), epochs: 16 }, data, context());
    made.push(run);
    for (let i = 0; i < run.totalSteps; i++) await run.step();
    const { accuracy } = await run.evaluate();
    expect(accuracy).toBeGreaterThan(0.9); // chance: 1 / 3
  });

  it("stopped at any step and resumed from the checkpoint's bytes, ends with those of an uninterrupted run", async () => {
    const whole = await trained(model, []);
    // 0: before the first step; 5: between epochs, after an evaluation; 9: before the last.
    const resumed = await trained(model, [0, 1, 2, 5, 6, 9]);
    expect(resumed.stateSha256).toBe(whole.stateSha256);
    expect(resumed.losses).toEqual(whole.losses);
    expect(resumed.evaluations.map(({ metrics }) => metrics)).toEqual(whole.evaluations.map(({ metrics }) => metrics));
    expect(resumed.details).toEqual(whole.details);
  });

  it("is not changed by being measured or saved", async () => {
    const run = await create(model);
    await run.step();
    const state = hash(run);
    await run.evaluate();
    await run.finish?.();
    expect(hash(run)).toBe(state);
  });

  it("has a confusion matrix whose rows count the test pictures of each class, and whose diagonal is the accuracy", async () => {
    const run = await create(model);
    for (let i = 0; i < 3; i++) await run.step();
    const { confusion } = (await run.finish!()) as { confusion: number[][] };
    expect(confusion.map((row) => row.reduce((sum, count) => sum + count, 0))).toEqual([4, 4, 4]);
    const right = confusion.reduce((sum, row, truth) => sum + row[truth]!, 0);
    const metrics = await run.evaluate();
    expect(metrics.accuracy).toBeCloseTo(right / 12, 12);
    expect(metrics.perClassAccuracy).toBeCloseTo(right / 12, 12); // classes of one size
  });
});

it("differs from seed to seed", async () => {
  const [a, b] = [await create("rnn", context("deterministic", 5)), await create("rnn", context("deterministic", 6))];
  expect(hash(a)).not.toBe(hash(b));
});

it("shows, for a picture of each class, attention weights that sum to less than one by what the class token keeps", async () => {
  const run = await create("attention");
  const { attention } = (await run.finish!()) as { attention: { title: string; grid: number[]; maps: { weights: number[] }[] }[] };
  expect(attention.map(({ title }) => title)).toEqual(["red", "green", "blue"]);
  for (const { grid, maps } of attention) {
    expect(grid).toEqual([2, 2]);
    expect(maps).toHaveLength(2); // the first and the last layer
    for (const { weights } of maps) {
      expect(weights).toHaveLength(4);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      expect(sum).toBeGreaterThan(0.1);
      expect(sum).toBeLessThan(1);
    }
  }
});

it("measures on pictures kept aside when asked to, and never learns from them", async () => {
  const aside = { ...config("rnn"), validate: true };
  const other = {
    ...data,
    train: { ...training, images: training.images.map((value, at) => (at >= 16 * 3 * size * size ? 255 - value : value)) },
  };
  const states: string[] = [];
  for (const set of [data, other]) {
    const run = await runs.create(aside, set, context());
    made.push(run);
    expect(run.stepsPerEpoch).toBe(4);
    for (let i = 0; i < 4; i++) await run.step();
    states.push(hash(run));
  }
  expect(states[1]).toBe(states[0]);
});

function hash(run: Run): string {
  return createHash("sha256").update(run.saveState()).digest("hex");
}
