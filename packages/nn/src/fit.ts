import { resident, scope, type RandomKey, type Tensor } from "@heed/tensor";
import { clipGradNorm } from "./clip-grad-norm.ts";
import type { Module } from "./module.ts";
import type { Optimiser } from "./optimisers/optimiser.ts";
import type { Schedule } from "./schedules.ts";
import { training } from "./training.ts";

/** What one update needs. */
export interface StepOptions<Batch> {
  readonly optimiser: Optimiser;
  /** The loss of a batch: a single element. Runs in `training` mode inside a scope. */
  readonly loss: (batch: Batch) => Tensor;
  /** Where dropout's randomness comes from; the step number is split off. */
  readonly key: RandomKey;
  /** The learning rate by step. Default: the optimiser's own. */
  readonly schedule?: Schedule;
  /** Clips the joint gradient norm. Default: off. */
  readonly clipNorm?: number;
}

export interface FitOptions<Batch> extends StepOptions<Batch> {
  /** Batches of one epoch after the other; the loop ends with it. */
  readonly batches: Iterable<Batch> | AsyncIterable<Batch>;
  /** After each update; may be asynchronous. `false` ends the training. */
  readonly onStep?: (state: { step: number; loss: number; gradNorm: number | undefined }) => unknown;
}

/**
 * One update: loss, backward, clipping, optimiser, in a scope of its own. Returns the loss before the update.
 * The step's number is the optimiser's, so a loaded state continues where it stood. A loss of NaN is returned as it is.
 * @throws {ScopeError} when `loss` returns a promise.
 *
 * Time O(forward + backward + parameters).
 * @see Elementary: a step of gradient descent
 */
export function trainStep<Batch>(
  batch: Batch,
  { optimiser, loss, key, schedule, clipNorm }: StepOptions<Batch>,
): { loss: number; gradNorm: number | undefined } {
  const step = optimiser.steps;
  return scope(() => {
    optimiser.zeroGrad();
    const value = training(key.split(step), () => loss(batch));
    value.backward();
    const gradNorm = clipNorm === undefined ? undefined : clipGradNorm(optimiser.parameters, clipNorm);
    optimiser.step(schedule?.(step));
    return { loss: value.item(), gradNorm };
  });
}

/**
 * Trains: for each batch one `trainStep`. Model and optimiser are resident while it runs, and back on the heap when it
 * ends, also by an exception. Returns the losses, none without batches.
 *
 * Time O(batches) steps.
 * @see Elementary: gradient descent
 * @example
 * await fit(model, { batches, optimiser, key, loss: ({ x, y }) => crossEntropy(model.forward(x), y) });
 */
export async function fit<Batch>(model: Module, options: FitOptions<Batch>): Promise<{ losses: number[] }> {
  const owner = resident([model, options.optimiser]);
  const losses: number[] = [];
  try {
    for await (const batch of options.batches) {
      const step = options.optimiser.steps;
      const { loss, gradNorm } = trainStep(batch, options);
      losses.push(loss);
      if ((await options.onStep?.({ step, loss, gradNorm })) === false) break;
    }
  } finally {
    owner.release();
  }
  return { losses };
}
