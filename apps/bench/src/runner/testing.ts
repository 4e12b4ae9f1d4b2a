import type { JsonObject, RunPlan, RunResult, Runs, Settings } from "../experiment.ts";
import type { Checkpoint } from "../results/checkpoint.ts";
import { train } from "./train.ts";

export interface Session {
  readonly result: RunResult;
  /** The last one that was saved. */
  readonly checkpoint: Checkpoint;
}

export interface SessionOptions<Data> {
  readonly plan: RunPlan;
  readonly data: Data;
  readonly settings: Settings;
  readonly stage?: string;
  /** Steps after which the user asks to stop; never if absent. */
  readonly stopAfter?: number | undefined;
  /** Go on from here. */
  readonly from?: Checkpoint | undefined;
}

/** For tests: one run of an experiment, in this thread, to its end or to where it is stopped. */
export async function session<Config extends JsonObject, Data>(
  runs: Runs<Config, Data>,
  { plan, data, settings, stage = "train", stopAfter = Infinity, from }: SessionOptions<Data>,
): Promise<Session> {
  const run = await runs.create(plan.config as Config, data, { settings, seed: plan.seed, checkStop: () => {} });
  let checkpoint: Checkpoint | undefined;
  let asked = 0;
  const result = await train(run, {
    plan,
    stage,
    from,
    checkpointSeconds: Infinity,
    stop: {
      get requested() {
        return asked++ >= stopAfter;
      },
    },
    save: (saved) => void (checkpoint = saved),
  });
  run.release?.();
  return { result, checkpoint: checkpoint! };
}
