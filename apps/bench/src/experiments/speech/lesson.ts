import { lengthBuckets, paddedFrames } from "@heed/datasets";
import { crossEntropy, evaluating, predict } from "@heed/nn";
import { configure, noGrad, randomKey, scope, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, RunContext } from "../../experiment.ts";
import { mean } from "../../format.ts";
import type { AttentionSample } from "../../report/outcome.ts";
import type { Lesson, Recipe } from "../../runner/best-run.ts";
import { augmented } from "./augmented.ts";
import { Normalised, partOf, type SpeechData } from "./data.ts";
import { batchSize, type SpeechDetails, type TrainConfig } from "./plans.ts";
import { SpeechNet, type Recordings } from "./models.ts";
import { pictures } from "./pictures.ts";

/** Recordings that are judged together. */
const group = 100;

interface Batch extends Recordings {
  readonly labels: Tensor;
}

/** Which digit, or which speaker: one class per recording. */
export class SpeechLesson implements Lesson<Batch> {
  readonly model: SpeechNet;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly description: JsonObject;
  readonly #config: TrainConfig;
  readonly #data: SpeechData;
  readonly #context: RunContext;
  readonly #frames: Normalised;
  readonly #parts: Readonly<Record<"train" | "validation" | "test", Int32Array>>;
  readonly #lengths: Int32Array;

  constructor(config: TrainConfig, data: SpeechData, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#config = config;
    this.#data = data;
    this.#context = context;
    // Models see the same recordings in the same order.
    this.key = randomKey(context.seed).split("speech").split(config.task);
    this.model = new SpeechNet(config.shape, this.key.split("model"));
    this.#parts = { train: partOf(data, "train"), validation: partOf(data, "validation"), test: partOf(data, "test") };
    this.#frames = new Normalised(data, this.#parts.train);
    this.#lengths = this.#parts.train.map((r) => data.offsets[r + 1]! - data.offsets[r]!);
    this.recipe = { rate: config.rate, weightDecay: 0.05, epochs: config.epochs };
    const { means, deviations } = this.#frames;
    this.description = { shape: config.shape, classes: data.classes[config.task], means: [...means], deviations: [...deviations] };
    this.batchesPerEpoch = Math.ceil(this.#lengths.length / batchSize);
  }

  batch(epoch: number, at: number): Batch {
    const order = { batchSize, key: this.key.split("order"), epoch, firstBatch: at };
    const { value: places } = lengthBuckets(this.#lengths, order).next() as { value: Int32Array };
    const key = this.key.split("augment").split(epoch);
    const chosen = places.map((place) => this.#parts.train[place]!);
    return this.#batch(chosen, (frames, i) => augmented(frames, this.#frames.deviations, key.split(chosen[i]!)));
  }

  examples({ lengths }: Batch): number {
    return lengths.length;
  }

  loss(batch: Batch): Tensor {
    return crossEntropy(this.model.forward(batch), batch.labels, { labelSmoothing: 0.1 });
  }

  /** Accuracy on the validation part; of equal ones the lower loss. */
  score(): number {
    const { accuracy, loss } = this.#judged("validation");
    return accuracy - loss / 1000;
  }

  measure(): Metrics {
    const { accuracy, perClassAccuracy, loss } = this.#judged("test");
    return { accuracy, perClassAccuracy, loss, validation: this.#judged("validation").accuracy };
  }

  details(): JsonObject {
    const { classes } = this.#data;
    const count = classes[this.#config.task].length;
    const confusion = Array.from({ length: count }, () => new Array<number>(count).fill(0));
    const test = this.#parts.test;
    this.#answers(test).forEach(({ said }, i) => confusion[this.#label(test[i]!)]![said]!++);
    const details: SpeechDetails = {
      confusion,
      ...(this.#config.draw ? { pictures: this.#pictures() } : {}),
    };
    return details as unknown as JsonObject;
  }

  #pictures(): AttentionSample[] {
    const { task, name } = this.#config;
    return evaluating(() => noGrad(() => pictures(this.model, name, this.#data, task, (r) => this.#batch(Int32Array.of(r)))));
  }

  #judged(part: "validation" | "test"): { accuracy: number; perClassAccuracy: number; loss: number } {
    const chosen = this.#parts[part];
    const answers = this.#answers(chosen);
    const right = answers.map(({ said }, i) => Number(said === this.#label(chosen[i]!)));
    const perClass = this.#data.classes[this.#config.task].map((_, c) => mean(right.filter((_one, i) => this.#label(chosen[i]!) === c)));
    return {
      accuracy: mean(right),
      perClassAccuracy: mean(perClass.filter((share) => !Number.isNaN(share))),
      loss: mean(answers.map(({ loss }) => loss)),
    };
  }

  /** What the model says of each, and how much it minds the truth. Those of like length go together. */
  #answers(chosen: Int32Array): { said: number; loss: number }[] {
    const length = (i: number) => this.#data.offsets[chosen[i]! + 1]! - this.#data.offsets[chosen[i]!]!;
    const order = [...chosen.keys()].sort((a, b) => length(a) - length(b) || a - b);
    const answers = new Array<{ said: number; loss: number }>(chosen.length);
    for (let first = 0; first < order.length; first += group) {
      this.#context.checkStop();
      const places = order.slice(first, first + group);
      scope(() => {
        const batch = this.#batch(Int32Array.from(places, (i) => chosen[i]!));
        const logits = predict(this.model, batch);
        const losses = crossEntropy(logits, batch.labels, { reduction: "none" }).toArray() as number[];
        (logits.toArray() as number[][]).forEach((row, k) => {
          answers[places[k]!] = { said: row.indexOf(Math.max(...row)), loss: losses[k]! };
        });
      });
    }
    return answers;
  }

  #batch(chosen: Int32Array, change: (frames: Float32Array, i: number) => Float32Array = (frames) => frames): Batch {
    const all = [...chosen].map((r, i) => change(this.#frames.of(r), i));
    return { ...paddedFrames(all, this.#data.bands), labels: tensor(chosen.map((r) => this.#label(r))) };
  }

  #label(r: number): number {
    return this.#data.labels[this.#config.task][r]!;
  }
}
