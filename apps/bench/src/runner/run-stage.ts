import type { RunPlan, RunResult, Settings } from "../experiment.ts";
import { readCheckpoint } from "../results/checkpoint.ts";
import { inWorker } from "./in-worker.ts";
import type { Progress } from "./messages.ts";
import { type StopFlag, Stopped } from "./stop-flag.ts";

export interface StageOptions {
  readonly stage: string;
  readonly plans: readonly RunPlan[];
  readonly module: string;
  readonly settings: Settings;
  readonly data: unknown;
  /** So many runs side by side, each in its own worker thread. Results do not depend on it. */
  readonly sideBySide: number;
  readonly resume: boolean;
  readonly checkpointSeconds: number;
  checkpointFile(plan: RunPlan): string;
  readonly stop: StopFlag;
  onStart?(plan: RunPlan): void;
  onProgress?(plan: RunPlan, progress: Progress): void;
  onEnd?(plan: RunPlan, result: RunResult): void;
}

/**
 * Runs the plans and gives their results, in the order of the plans. When the stop flag is set, runs at work write
 * their checkpoints and come back `partial`, the rest `waiting`. When one fails, the others stop likewise, then it throws.
 */
export async function runStage(options: StageOptions): Promise<RunResult[]> {
  const { stage, plans, module, settings, data, stop, resume, checkpointSeconds } = options;
  const results = plans.map((plan): RunResult => ({
    ...plan,
    stage,
    state: "waiting",
    step: 0,
    totalSteps: 0,
    facts: {},
    evaluations: [],
    losses: [],
    stepMilliseconds: [],
    examples: 0,
    trainSeconds: 0,
    evaluateSeconds: 0,
  }));
  const failures: unknown[] = [];
  // The longest first: a long one that began last would run alone at the end.
  const order = plans.map((_, index) => index).sort((a, b) => (plans[b]!.cost ?? 1) - (plans[a]!.cost ?? 1));
  const lane = async (): Promise<void> => {
    while (order.length > 0 && !stop.requested) {
      const index = order.shift()!;
      const plan = plans[index]!;
      options.onStart?.(plan);
      try {
        const { result } = await inWorker(
          {
            kind: "run",
            module,
            settings,
            stop: stop.shared,
            plan,
            stage,
            data,
            checkpointFile: options.checkpointFile(plan),
            checkpointSeconds,
            resume,
          },
          "result",
          { progress: (progress) => options.onProgress?.(plan, progress) },
        );
        results[index] = result;
        options.onEnd?.(plan, result);
      } catch (error) {
        if (error instanceof Stopped) continue;
        failures.push(error);
        stop.request();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(options.sideBySide, plans.length)) }, lane));
  if (failures.length > 0) throw failures[0];
  // One that was not reached this time may have got somewhere before.
  return results.map((result, index) => {
    const plan = plans[index]!;
    return resume && result.state === "waiting" ? (readCheckpoint(options.checkpointFile(plan), plan)?.result ?? result) : result;
  });
}
