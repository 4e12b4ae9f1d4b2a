import { AdamW, cosine, trainStep, type Module } from "@heed/nn";
import { resident, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, Run } from "../experiment.ts";
import { keptParameters, loadTraining, saveTraining, withParameters } from "./training-state.ts";

export interface Recipe {
  /** Learning rate after the warm-up; a cosine takes it to 0. */
  readonly rate: number;
  /** Part of all steps in which the rate rises; 0.05 if absent. */
  readonly warmup?: number;
  /** Of parameters of rank 2 and more; 0 if absent. */
  readonly weightDecay?: number;
  /** 1 if absent. */
  readonly clipNorm?: number;
  readonly epochs: number;
  /** Ends after so many epochs in which the score did not rise. */
  readonly patience?: number;
}

/** What a model learns, and how it is judged. `Batch` may hold tensors: each is made, used and freed within a step. */
export interface Lesson<Batch> {
  readonly model: Module;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  /** Of dropout, and of whatever else a step draws. */
  readonly key: RandomKey;
  /** Batch `at` of an epoch: depends on nothing else. */
  batch(epoch: number, at: number): Batch;
  loss(batch: Batch): Tensor;
  /** What a batch counts as: sentences, say. */
  examples(batch: Batch): number;
  /** How good the model is on the validation part; the higher the better. Called after each epoch. */
  score(): number;
  /** Called with the parameters that had the best score: usually on the test part. */
  measure(): Metrics;
  /** How often to measure in all; 15 if absent. */
  readonly measurements?: number;
  /** Called at the end with the best parameters: what the report shows beside numbers. */
  details?(): JsonObject;
  /** Class, shape, vocabularies: with its parameters, all that is needed to have the model again. Absent: nobody keeps it. */
  readonly description?: JsonObject;
  /** More facts than the count of parameters, the rate and the epochs. */
  readonly facts?: JsonObject;
}

/** Trains by AdamW with warm-up and cosine decay, keeps the parameters that were best on the validation part, and measures those. */
export function bestRun<Batch>(lesson: Lesson<Batch>): Run {
  const { model, recipe, batchesPerEpoch, measurements = 15 } = lesson;
  const { rate, warmup = 0.05, weightDecay = 0, clipNorm = 1, epochs, patience = Infinity } = recipe;
  const totalSteps = epochs * batchesPerEpoch;
  const optimiser = new AdamW(model.parameters(), { lr: rate, weightDecay, noDecay: ({ rank }) => rank < 2 });
  const schedule = cosine({ base: rate, warmup: Math.ceil(warmup * totalSteps), total: totalSteps });
  const dropout = lesson.key.split("dropout");
  const residency = resident([model, optimiser]);
  let best = { score: -Infinity, epoch: 0, parameters: keptParameters(model) };

  const epochsDone = (): number => Math.floor(optimiser.steps / batchesPerEpoch);
  return {
    totalSteps,
    stepsPerEpoch: batchesPerEpoch,
    evaluateEvery: batchesPerEpoch * Math.max(1, Math.round(epochs / measurements)),
    facts: { parameters: model.parameterCount, learningRate: rate, epochs, ...lesson.facts },
    get stopped() {
      return epochsDone() - best.epoch >= patience;
    },
    step() {
      const [epoch, at] = [epochsDone(), optimiser.steps % batchesPerEpoch];
      const batch = lesson.batch(epoch, at);
      const { loss } = trainStep(batch, { optimiser, schedule, clipNorm, key: dropout, loss: (one) => lesson.loss(one) });
      if (at === batchesPerEpoch - 1) {
        const score = lesson.score();
        if (score > best.score) best = { score, epoch: epochsDone(), parameters: keptParameters(model) };
      }
      return { loss, examples: lesson.examples(batch) };
    },
    evaluate: () => withParameters(model, best.parameters, () => lesson.measure()),
    finish: () => withParameters(model, best.parameters, () => lesson.details?.() ?? {}),
    saveState: () => saveTraining(model, optimiser, best.parameters, { score: String(best.score), epoch: String(best.epoch) }),
    loadState(state) {
      const { more, notes } = loadTraining(state, model, optimiser);
      best = { score: Number(notes.score), epoch: Number(notes.epoch), parameters: more };
    },
    ...(lesson.description && {
      trained: () => ({
        description: lesson.description!,
        parameters: best.parameters,
        measure: (parameters) => withParameters(model, parameters, () => lesson.measure()),
      }),
    }),
    release: () => residency.release(),
  };
}
