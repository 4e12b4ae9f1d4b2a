import { createHash } from "node:crypto";
import type { Evaluation, Run, RunPlan, RunResult } from "../experiment.ts";
import type { Checkpoint } from "../results/checkpoint.ts";
import type { Progress } from "./messages.ts";
import { Stopped, type StopFlag } from "./stop-flag.ts";

export interface TrainOptions {
  readonly plan: RunPlan;
  readonly stage: string;
  readonly stop: Pick<StopFlag, "requested">;
  /** Go on from here. */
  readonly from?: Checkpoint | undefined;
  /** Keeps a checkpoint; called every `checkpointSeconds`, when stopped, and at the end. */
  save(checkpoint: Checkpoint): void;
  readonly checkpointSeconds: number;
  onProgress?(progress: Progress): void;
}

const progressMilliseconds = 150;
const recentSteps = 20;

/**
 * Runs to the end, or until the flag is set. It stops between two steps only, so that where it stops, and how often,
 * leaves no trace in the result: the run's state, losses and evaluations are those of an uninterrupted run.
 */
export async function train(run: Run, { plan, stage, stop, from, save, checkpointSeconds, onProgress }: TrainOptions): Promise<RunResult> {
  if (from?.result.state === "done") return from.result;
  const { totalSteps, evaluateEvery, stepsPerEpoch, facts } = run;
  const losses = [...(from?.result.losses ?? [])];
  const stepMilliseconds = [...(from?.result.stepMilliseconds ?? [])];
  const evaluations: Evaluation[] = [...(from?.result.evaluations ?? [])];
  let { step = 0, examples = 0, trainSeconds = 0, evaluateSeconds = 0 } = from?.result ?? {};
  if (from) run.loadState(from.state);
  let evaluationsHere = 0;
  const secondsBefore = evaluateSeconds;

  const result = (state: RunResult["state"]): RunResult => ({
    ...plan,
    stage,
    state,
    step,
    totalSteps,
    facts,
    evaluations,
    losses,
    stepMilliseconds,
    examples,
    trainSeconds,
    evaluateSeconds,
    ...(stepsPerEpoch !== undefined && { stepsPerEpoch }),
  });
  const interrupt = (): RunResult => {
    const partial = result("partial");
    save({ result: partial, state: run.saveState() });
    return partial;
  };

  let saved = performance.now();
  let told = -Infinity;
  const tell = (): void => {
    const now = performance.now();
    if (!onProgress || (now - told < progressMilliseconds && step < totalSteps)) return;
    told = now;
    const recent = Math.max(1, Math.min(recentSteps, stepMilliseconds.length));
    const stepSeconds = sum(stepMilliseconds.slice(-recent)) / recent / 1000;
    const evaluationsLeft = Math.ceil(totalSteps / evaluateEvery) - evaluations.length;
    const secondsPerEvaluation = evaluationsHere > 0 ? (evaluateSeconds - secondsBefore) / evaluationsHere : 0;
    const metrics = evaluations.at(-1)?.metrics;
    onProgress({
      step,
      totalSteps,
      examplesPerSecond: trainSeconds > 0 ? examples / trainSeconds : 0,
      secondsLeft: (totalSteps - step) * stepSeconds + evaluationsLeft * secondsPerEvaluation,
      ...(losses.length > 0 && { loss: sum(losses.slice(-recent)) / Math.min(recent, losses.length) }),
      ...(stepsPerEpoch !== undefined && { stepsPerEpoch }),
      ...(metrics && { metrics }),
    });
  };

  for (;;) {
    const due = step > 0 && (step % evaluateEvery === 0 || step === totalSteps || run.stopped === true);
    try {
      if (due && evaluations.at(-1)?.step !== step) {
        const start = performance.now();
        const metrics = await run.evaluate();
        evaluateSeconds += (performance.now() - start) / 1000;
        evaluationsHere++;
        evaluations.push({ step, trainSeconds, metrics, ...(stepsPerEpoch !== undefined && { epoch: step / stepsPerEpoch }) });
        tell();
      }
      if (step >= totalSteps || run.stopped === true) {
        const details = await run.finish?.();
        const state = run.saveState();
        const done: RunResult = {
          ...result("done"),
          ...(details && { details }),
          stateSha256: createHash("sha256").update(state).digest("hex"),
        };
        save({ result: done, state });
        return done;
      }
    } catch (error) {
      // Measuring changes nothing, so it is simply done again after the checkpoint.
      if (error instanceof Stopped) return interrupt();
      throw error;
    }
    if (stop.requested) return interrupt();
    if (performance.now() - saved > checkpointSeconds * 1000) {
      save({ result: result("partial"), state: run.saveState() });
      saved = performance.now();
    }
    const start = performance.now();
    const { loss, examples: consumed } = await run.step();
    const milliseconds = performance.now() - start;
    step++;
    if (loss !== undefined) losses.push(loss);
    stepMilliseconds.push(Math.round(milliseconds * 1000) / 1000);
    examples += consumed;
    trainSeconds += milliseconds / 1000;
    tell();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
