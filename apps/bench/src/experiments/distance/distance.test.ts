import { randomKey, tensor } from "@heed/tensor";
import { describe, expect, it } from "vitest";
import type { JsonObject, RunResult, Settings } from "../../experiment.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { session, type Session } from "../../runner/testing.ts";
import { distance, models, tasks, type ModelName, type SpeedDetails, type TaskName } from "./index.ts";
import { Reader } from "./models.ts";
import runs from "./runs.ts";

const settings: Settings = { experiment: "distance", profile: "quick", seed: 1, precision: "deterministic", options: {} };

const ran = (stage: string, config: JsonObject, stopAfter = Infinity, from?: Checkpoint): Promise<Session> =>
  session(runs, { plan: { id: "one", model: "one", seed: 1, config }, data: null, settings, stage, stopAfter, from });
const accuracyOf = ({ evaluations }: RunResult): number => evaluations.at(-1)!.metrics.accuracy!;
const learn = (task: TaskName, model: ModelName, length: number, steps: number) => ({ task, model, length, steps, width: 32 });

describe("learning", () => {
  it.each(models)(
    "%s resumes to the same bits",
    async (model) => {
      const config = learn("recall", model, 16, 10);
      const whole = await ran("learn", config);
      const first = await ran("learn", config, 3);
      expect([first.result.state, first.result.step]).toEqual(["partial", 3]);
      const second = await ran("learn", config, Infinity, first.checkpoint);
      expect(second.result.losses).toEqual(whole.result.losses);
      expect(second.result.stateSha256).toBe(whole.result.stateSha256);
    },
    60_000,
  );

  it("sees the first vector 100 steps later by attention, and by gates that begin by remembering, not by an RNN", async () => {
    const accuracy = async (model: ModelName) => accuracyOf((await ran("learn", learn("first-mark", model, 100, 100))).result);
    expect(await accuracy("attention")).toBeGreaterThan(0.95);
    expect(await accuracy("lstm-chrono")).toBeGreaterThan(0.5);
    expect(await accuracy("rnn")).toBeLessThan(0.3);
  }, 120_000);

  it("counts the answers at the end alone", async () => {
    // 256 sequences: one answer of first mark, five of copy.
    const shares = await Promise.all(
      (["first-mark", "copy"] as const).map(async (task) => accuracyOf((await ran("learn", learn(task, "rnn", 20, 5))).result)),
    );
    expect([(shares[0]! * 256) % 1, (shares[1]! * 1280) % 1]).toEqual([0, 0]);
    expect((shares[1]! * 256) % 1).not.toBe(0);
  });
});

describe("Reader", () => {
  it.each(models)("%s says nothing from what comes later", (model) => {
    const reader = new Reader({ model, vocabularySizes: [5], classCount: 3, length: 6, width: 8 }, randomKey(3));
    const said = (ids: number[]) =>
      reader.forward([tensor(Int32Array.from(ids), { shape: [1, 6] })], tensor(Int32Array.of(2, 5))).toArray() as number[][];
    const [before, after] = [said([0, 1, 2, 3, 4, 0]), said([0, 1, 2, 4, 3, 1])];
    expect(after[0]).toEqual(before[0]);
    expect(after[1]).not.toEqual(before[1]);
  });

  it("begins to remember for 1 to L steps, by the biases of its gates", () => {
    const shape = { model: "lstm-chrono", vocabularySizes: [5], classCount: 3, length: 50, width: 64 } as const;
    const state = new Reader(shape, randomKey(3)).stateDict();
    const biases = state["body.bias_ih_l0"]!.toArray() as number[];
    const [input, forget] = [biases.slice(0, 64), biases.slice(64, 128)];
    expect(input).toEqual(forget.map((bias) => -bias));
    const spans = forget.map(Math.exp);
    // Of 64 draws from 1 to 49 the least is below 5 and the greatest above 45 but for one time in a hundred.
    expect([Math.min(...spans) >= 1, Math.min(...spans) < 5, Math.max(...spans) > 45, Math.max(...spans) <= 49]).toEqual(
      Array(4).fill(true),
    );
    expect(new Set(state["body.bias_hh_l0"]!.toArray() as number[])).toEqual(new Set([0]));
  });
});

it("times steps of each length, goes on where it stopped, and reports both", async () => {
  const config = { model: "lstm", lengths: [8, 32], threads: 1, samples: 3, width: 32 };
  const first = await ran("speed", config, 1);
  expect([first.result.state, first.result.step]).toEqual(["partial", 1]);
  const { result: timed } = await ran("speed", config, Infinity, first.checkpoint);
  const { milliseconds, threads } = timed.details as unknown as SpeedDetails;
  expect([timed.step, milliseconds.length, threads]).toEqual([3, 2, 1]);
  expect(milliseconds[1]!).toBeGreaterThan(0);

  const { result: learned } = await ran("learn", learn("copy", "lstm", 32, 5));
  const report = distance.outcome({
    settings: { ...settings, options: { tasks: ["copy"], models: ["lstm"] } },
    profile: { ...distance.profiles.quick, lengths: [32, 64] },
    seeds: [1],
    data: { name: "distances" },
    results: [learned, { ...timed, model: "lstm, one thread" }],
    partial: false,
  });
  const share = `${(100 * accuracyOf(learned)).toFixed(1)} %`;
  expect(report.table.rows).toEqual([["Copy", "lstm", share, "–"]]);
  expect(report.sections.map(({ title }) => title)).toEqual([
    "Who still sees the first vector",
    "Training steps per second",
    "Time of a training step",
  ]);
});

it("plans each model at each length, and times on one thread and on two", () => {
  const { profiles, stages } = distance;
  const context = { settings, profile: profiles.full, seeds: [1], data: { name: "distances" }, results: [] };
  const [learning, timing] = stages.map((stage) => stage.plan(context));
  expect(learning!.length).toBe(tasks.length * models.length * 7);
  expect(new Set(learning!.map(({ id }) => id)).size).toBe(learning!.length);
  expect(timing!.map(({ model }) => model)).toEqual(
    ["rnn", "lstm", "attention"].flatMap((model) => [`${model}, one thread`, `${model}, two threads`]),
  );
  const chosen = { ...context, settings: { ...settings, options: { tasks: [], models: ["rnn"] } } };
  expect(stages.map((stage) => stage.plan(chosen).length)).toEqual([0, 2]);
  const [{ parse }] = distance.options as unknown as [{ parse: (text: string) => unknown }];
  expect(parse("none")).toEqual([]);
  expect(() => parse("first")).toThrow("must be some of first-mark, copy, recall, list-ops");
});
