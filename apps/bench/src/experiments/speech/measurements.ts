import { paddedFrames } from "@heed/datasets";
import { AdamW, crossEntropy, predict, trainStep } from "@heed/nn";
import { configure, memory, randomKey, randomOrder, resident, tensor, type Tensor } from "@heed/tensor";
import type { Metrics, Run, RunContext } from "../../experiment.ts";
import { Normalised, partOf, type SpeechData } from "./data.ts";
import type { LongConfig, StepConfig } from "./plans.ts";
import { SpeechNet, type Recordings } from "./models.ts";

/** Samples of each named duration, in seconds; the shortest counts, since others on the machine only add. */
abstract class Measurement implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts;
  #samples: Record<string, number>[] = [];
  #bytes = 0;

  protected constructor(rounds: number, model: SpeechNet, frames: number) {
    this.totalSteps = rounds;
    this.evaluateEvery = rounds;
    this.facts = { parameters: model.parameterCount, frames };
  }

  protected abstract sample(): Record<string, number>;

  step() {
    this.#samples.push(this.sample());
    // The thread has no other work: what its linear memory held at most is this model's.
    this.#bytes = Math.max(this.#bytes, memory().highWaterBytes);
    return { examples: 1 };
  }

  evaluate(): Metrics {
    const names = Object.keys(this.#samples[0]!);
    return {
      ...Object.fromEntries(names.map((name) => [name, Math.min(...this.#samples.map((sample) => sample[name]!))])),
      bytes: this.#bytes,
    };
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify({ samples: this.#samples, bytes: this.#bytes }));
  }

  loadState(state: Uint8Array): void {
    const { samples, bytes } = JSON.parse(new TextDecoder().decode(state)) as { samples: Record<string, number>[]; bytes: number };
    this.#samples = samples;
    this.#bytes = bytes;
  }
}

const seconds = (work: () => void): number => {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
};

/** A training step and a forward pass of a batch of recordings of usual length. */
export class StepMeasurement extends Measurement {
  /** A training step. */
  readonly train: () => void;
  readonly #forward: () => void;

  constructor({ shape, rounds, batchSize }: StepConfig, data: SpeechData, context: RunContext) {
    configure({ precision: context.settings.precision });
    const key = randomKey(context.seed).split("step");
    const model = new SpeechNet(shape, key);
    const train = partOf(data, "train");
    const length = (r: number) => data.offsets[r + 1]! - data.offsets[r]!;
    const sorted = [...train].sort((a, b) => length(a) - length(b) || a - b);
    const first = Math.max(0, (sorted.length - batchSize) >> 1);
    const frames = new Normalised(data, train);
    const chosen = sorted.slice(first, first + batchSize);
    const batch = paddedFrames(chosen.map((r) => frames.of(r)), data.bands); // prettier-ignore
    const labels = tensor(Int32Array.from(chosen, (r) => data.labels.digit[r]!));
    super(rounds, model, batch.frames.shape[1]!);
    const optimiser = new AdamW(model.parameters(), { lr: 1e-3 });
    resident([model, optimiser]);
    this.train = () => void trainStep(batch, { optimiser, key, loss: (one) => crossEntropy(model.forward(one), labels) });
    this.#forward = () => void predict(model, batch);
    for (let warmUp = 0; warmUp < 3; warmUp++) this.sample();
  }

  protected sample() {
    return { forward: seconds(this.#forward), step: seconds(this.train) };
  }
}

/** One forward pass over recordings that were joined to one of so many frames. */
export class LongMeasurement extends Measurement {
  readonly #run: () => Tensor;

  constructor({ shape, rounds, frames }: LongConfig, data: SpeechData, context: RunContext) {
    configure({ precision: context.settings.precision });
    const key = randomKey(context.seed).split("long");
    const model = new SpeechNet(shape, key.split("model"));
    super(rounds, model, frames);
    resident([model]);
    const recordings = joined(data, frames, randomOrder(key.split("order"), data.takes.length));
    this.#run = () => predict({ forward: (one: Recordings) => model.stream(one) }, recordings);
  }

  protected sample() {
    return { seconds: seconds(this.#run) };
  }
}

/** Recordings one behind the other, in that order, from the beginning again where they do not suffice. */
function joined(data: SpeechData, count: number, order: Int32Array): Recordings {
  const { bands } = data;
  const normalised = new Normalised(data, partOf(data, "train"));
  const all = new Float32Array(count * bands);
  for (let [at, next] = [0, 0]; at < all.length; next++) {
    const frames = normalised.of(order[next % order.length]!).subarray(0, all.length - at);
    all.set(frames, at);
    at += frames.length;
  }
  return { frames: tensor(all, { shape: [1, count, bands] }), lengths: Int32Array.of(count) };
}
