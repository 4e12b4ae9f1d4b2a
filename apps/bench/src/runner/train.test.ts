import { expect, it } from "vitest";
import type { Run, RunPlan, RunResult } from "../experiment.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../results/checkpoint.ts";
import dummyRuns from "../../test/dummy/runs.ts";
import type { Progress } from "./messages.ts";
import { Stopped } from "./stop-flag.ts";
import { train } from "./train.ts";

const config = { model: "rnn", seed: 5, rate: 0.1, steps: 13, final: true, stepMs: 0, momentum: 0.9 };
const plan: RunPlan = { id: "rnn-seed-5", model: "rnn", seed: 5, config };
const settings = { experiment: "dummy", profile: "smoke", seed: 5, precision: "fast", options: {} } as const;
const { data } = await dummyRuns.prepare(settings, { progress: () => {}, checkStop: () => {} });
const newRun = async (checkStop = () => {}): Promise<Run> => dummyRuns.create(config, data, { settings, seed: 5, checkStop });

/** Trains as if the process were new; the checkpoint goes through its bytes. */
async function session(stopAfter: number, from?: Checkpoint): Promise<{ result: RunResult; checkpoint: Checkpoint }> {
  let steps = 0;
  const run = await newRun();
  const counted: Run = Object.create(run, { step: { value: () => (steps++, run.step()) } });
  for (const name of ["evaluate", "finish", "saveState", "loadState"] as const)
    Object.defineProperty(counted, name, { value: (run[name] as (...args: never[]) => unknown).bind(run) });
  let checkpoint: Checkpoint | undefined;
  const result = await train(counted, {
    plan,
    stage: "train",
    from,
    checkpointSeconds: Infinity,
    stop: {
      get requested() {
        return steps >= stopAfter;
      },
    },
    save: (saved) => void (checkpoint = decodeCheckpoint(Buffer.concat(encodeCheckpoint(saved)), "x")),
  });
  return { result, checkpoint: checkpoint! };
}

const withoutTimes = ({ stepMilliseconds: _a, trainSeconds: _b, evaluateSeconds: _c, evaluations, ...rest }: RunResult) => ({
  ...rest,
  evaluations: evaluations.map(({ step, epoch, metrics }) => ({ step, epoch, metrics })),
});

it("ends with the same bytes, losses and evaluations, wherever it was stopped and resumed", async () => {
  const whole = await session(Infinity);
  expect(whole.result.state).toBe("done");
  expect(whole.result.losses).toHaveLength(13);
  expect(whole.result.evaluations.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  for (let stop = 0; stop < 13; stop++) {
    const first = await session(stop);
    expect(first.result.state).toBe("partial");
    expect(first.result.step).toBe(stop);
    const second = await session(Infinity, first.checkpoint);
    expect(withoutTimes(second.result), `stopped after step ${stop}`).toEqual(withoutTimes(whole.result));
    expect(second.checkpoint.state).toEqual(whole.checkpoint.state);
  }
});

it("ends with the same bytes when stopped after every single step", async () => {
  const whole = await session(Infinity);
  let last = await session(1);
  for (let sessions = 0; last.result.state !== "done"; sessions++) {
    expect(sessions).toBeLessThan(20);
    last = await session(1, last.checkpoint);
  }
  expect(withoutTimes(last.result)).toEqual(withoutTimes(whole.result));
  expect(last.checkpoint.state).toEqual(whole.checkpoint.state);
});

it("does an evaluation again that a stop cut off", async () => {
  const whole = await session(Infinity);
  let evaluations = 0;
  let checks = 0;
  let checkpoint: Checkpoint | undefined;
  const run = await newRun(() => {
    if (evaluations === 3 && ++checks === 10) throw new Stopped("stopped"); // After nine pictures of the third evaluation.
  });
  const evaluate = run.evaluate.bind(run);
  run.evaluate = () => {
    evaluations++;
    return evaluate();
  };
  const options = {
    plan,
    stage: "train",
    checkpointSeconds: Infinity,
    stop: { requested: false },
    save: (saved: Checkpoint) => void (checkpoint = saved),
  };
  const first = await train(run, options);
  expect(first).toMatchObject({ state: "partial", step: 3 });
  expect(first.evaluations).toHaveLength(2);
  const second = await train(await newRun(), { ...options, from: checkpoint });
  expect(withoutTimes(second)).toEqual(withoutTimes(whole.result));
});

it("returns a finished run as it was", async () => {
  const { result, checkpoint } = await session(Infinity);
  expect((await session(0, checkpoint)).result).toEqual(result);
});

it("keeps a checkpoint every so often, and tells progress that ends at the last step", async () => {
  const saves: number[] = [];
  const told: Progress[] = [];
  await train(await newRun(), {
    plan,
    stage: "train",
    checkpointSeconds: 0,
    stop: { requested: false },
    save: ({ result }) => void saves.push(result.step),
    onProgress: (progress) => void told.push(progress),
  });
  expect(saves).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  expect(told.at(-1)).toMatchObject({ step: 13, totalSteps: 13 });
  expect(told.at(-1)!.secondsLeft).toBeGreaterThanOrEqual(0);
});
