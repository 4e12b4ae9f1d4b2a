import { createHash } from "node:crypto";
import { UserError } from "../../src/errors.ts";
import type { Metrics, Run, RunContext, Runs, StepMetrics } from "../../src/experiment.ts";
import { pngAddress } from "../../src/report/png.ts";

type Config = {
  model: string;
  seed: number;
  rate: number;
  steps: number;
  final: boolean;
  stepMs: number;
  momentum: number;
  failAt?: number;
};

interface Data {
  /** `[count, side, side]`, shared. */
  readonly pixels: Float32Array<SharedArrayBuffer>;
  readonly labels: Uint8Array<SharedArrayBuffer>;
}

const side = 32;
const grid = 8;
const classes = ["ring", "disc", "cross", "bars", "corner", "two dots", "square", "diagonal"];
const [train, test] = [160, 80];
const batch = 16;

const runs: Runs<Config, Data> = {
  prepare({ data }, { progress, checkStop }) {
    if (data?.includes("empty")) throw new UserError(`${data} holds no images; name a folder with one folder of images per class.`);
    const random = generator(42);
    const pixels = new Float32Array(new SharedArrayBuffer((train + test) * side * side * 4));
    const labels = new Uint8Array(new SharedArrayBuffer(train + test));
    for (let index = 0; index < train + test; index++) {
      checkStop();
      labels[index] = index % classes.length;
      drawShape(pixels.subarray(index * side * side, (index + 1) * side * side), index % classes.length, random);
      if (index % 100 === 0) progress(`drew ${index} of ${train + test} pictures`);
    }
    const fingerprint = createHash("sha256").update(new Uint8Array(pixels.buffer)).digest("hex").slice(0, 16);
    return {
      description: {
        name: "shapes",
        classes,
        fingerprint,
        trainImages: train,
        testImages: test,
        size: `${side} × ${side}`,
        patches: grid * grid,
      },
      data: { pixels, labels },
    };
  },
  create: (config, data, context) => new DummyRun(config, data, context),
  profileStep: ({ model }) => ({
    title: `a training step of ${model}`,
    milliseconds: 10,
    rows: [
      { work: "matmul", milliseconds: 7, calls: 12, flops: 3.5e8 },
      { work: "softmax", milliseconds: 3, calls: 4 },
    ],
  }),
};
export default runs;

/** Softmax regression with momentum. "attention" sees patch means and variances, "rnn" patch means, "cnn" edges too. */
class DummyRun implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly stepsPerEpoch = train / batch;
  readonly facts;
  readonly #config: Config;
  readonly #data: Data;
  readonly #context: RunContext;
  readonly #features: number;
  readonly #weights: Float64Array;
  readonly #velocity: Float64Array;
  #step = 0;

  constructor(config: Config, data: Data, context: RunContext) {
    this.#config = config;
    this.#data = data;
    this.#context = context;
    this.totalSteps = config.steps;
    this.evaluateEvery = Math.max(1, Math.ceil(config.steps / 16));
    this.#features = { rnn: 1, attention: 2, cnn: 3 }[config.model]! * grid * grid + 1;
    const random = generator(config.seed * 7919 + 17);
    this.#weights = Float64Array.from({ length: this.#features * classes.length }, () => (random() - 0.5) * 0.05);
    this.#velocity = new Float64Array(this.#weights.length);
    this.facts = { parameters: this.#weights.length, flops: 2 * this.#weights.length, learningRate: config.rate };
  }

  step(): StepMetrics {
    if (this.#config.failAt === this.#step) throw new Error("as asked");
    const until = performance.now() + this.#config.stepMs;
    const random = generator(this.#config.seed * 104729 + this.#step);
    const gradient = new Float64Array(this.#weights.length);
    let loss = 0;
    for (let i = 0; i < batch; i++) {
      const index = Math.floor(random() * train);
      const features = this.#featuresOf(index);
      const probabilities = this.#probabilities(features);
      const label = this.#data.labels[index]!;
      loss -= Math.log(Math.max(probabilities[label]!, 1e-12)) / batch;
      for (let c = 0; c < classes.length; c++) {
        const error = (probabilities[c]! - (c === label ? 1 : 0)) / batch;
        for (let f = 0; f < this.#features; f++) gradient[c * this.#features + f]! += error * features[f]!;
      }
    }
    for (let w = 0; w < gradient.length; w++) {
      this.#velocity[w] = this.#config.momentum * this.#velocity[w]! - this.#config.rate * gradient[w]!;
      this.#weights[w]! += this.#velocity[w]!;
    }
    this.#step++;
    // Sleeps, rather than spins: tests run beside others.
    const left = until - performance.now();
    if (left > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left);
    return { loss, examples: batch };
  }

  evaluate(): Metrics {
    const confusion = this.#confusion();
    const recalls = confusion.map((row, truth) => row[truth]! / row.reduce((sum, count) => sum + count, 0));
    const right = confusion.reduce((sum, row, truth) => sum + row[truth]!, 0);
    return { accuracy: right / test, perClassAccuracy: recalls.reduce((sum, recall) => sum + recall, 0) / classes.length };
  }

  finish() {
    const attention =
      this.#config.model === "attention" && this.#config.final && Array.from({ length: 6 }, (_, index) => this.#sample(train + index * 5));
    return { confusion: this.#confusion(), ...(attention && { attention }) };
  }

  saveState(): Uint8Array {
    return new Uint8Array(Float64Array.of(this.#step, ...this.#weights, ...this.#velocity).buffer);
  }

  loadState(state: Uint8Array): void {
    const numbers = new Float64Array(state.slice().buffer);
    this.#step = numbers[0]!;
    this.#weights.set(numbers.subarray(1, 1 + this.#weights.length));
    this.#velocity.set(numbers.subarray(1 + this.#weights.length));
  }

  #confusion(): number[][] {
    const counts = classes.map(() => classes.map(() => 0));
    for (let index = train; index < train + test; index++) {
      this.#context.checkStop();
      const probabilities = this.#probabilities(this.#featuresOf(index));
      counts[this.#data.labels[index]!]![probabilities.indexOf(Math.max(...probabilities))]!++;
    }
    return counts;
  }

  #probabilities(features: Float64Array): number[] {
    const logits = classes.map((_, c) => features.reduce((sum, feature, f) => sum + feature * this.#weights[c * this.#features + f]!, 0));
    const top = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - top));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }

  #featuresOf(index: number): Float64Array {
    const picture = this.#data.pixels.subarray(index * side * side, (index + 1) * side * side);
    const features = new Float64Array(this.#features);
    const patch = side / grid;
    for (let p = 0; p < grid * grid; p++) {
      let [sum, squares, edges] = [0, 0, 0];
      for (let i = 0; i < patch * patch; i++) {
        const at = (Math.floor(p / grid) * patch + Math.floor(i / patch)) * side + (p % grid) * patch + (i % patch);
        sum += picture[at]!;
        squares += picture[at]! ** 2;
        edges += Math.abs(picture[at]! - (picture[at + 1] ?? 0));
      }
      const mean = sum / patch ** 2;
      const all = [mean, squares / patch ** 2 - mean ** 2, edges / patch ** 2];
      for (let kind = 0; kind * grid * grid + 1 < this.#features; kind++) features[kind * grid * grid + p] = all[kind]!;
    }
    features[this.#features - 1] = 1;
    return features;
  }

  #sample(index: number) {
    const picture = this.#data.pixels.subarray(index * side * side, (index + 1) * side * side);
    const rgb = Uint8Array.from(
      { length: side * side * 3 },
      (_, i) => 255 * Math.max(0, Math.min(1, picture[Math.floor(i / 3)]! * [0.9, 0.75, 0.6][i % 3]! + 0.1)),
    );
    const features = this.#featuresOf(index);
    const probabilities = this.#probabilities(features);
    const predicted = probabilities.indexOf(Math.max(...probabilities));
    const maps = [1, 6].map((sharpness, layer) => {
      const raw = Array.from({ length: grid * grid }, (_, p) =>
        Math.exp(sharpness * features[p]! * (1 + this.#weights[predicted * this.#features + p]!)),
      );
      const total = raw.reduce((sum, value) => sum + value, 0);
      return { label: `layer ${layer + 1}, mean of heads`, weights: raw.map((value) => value / total) };
    });
    return {
      title: classes[this.#data.labels[index]!]!,
      subtitle: `predicted ${classes[predicted]}, ${Math.round(probabilities[predicted]! * 100)} %`,
      png: pngAddress(rgb, side, side),
      grid: [grid, grid] as const,
      maps,
    };
  }
}

function drawShape(picture: Float32Array, label: number, random: () => number): void {
  const [x0, y0, r] = [side * (0.35 + 0.3 * random()), side * (0.35 + 0.3 * random()), side * (0.15 + 0.15 * random())];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [dx, dy] = [x - x0, y - y0];
      const distance = Math.hypot(dx, dy);
      const inside = [
        Math.abs(distance - r) < 2,
        distance < r,
        (Math.abs(dx) < 2 || Math.abs(dy) < 2) && distance < r * 1.5,
        Math.floor(x / 3) % 2 === 0 && Math.abs(dy) < r,
        dx > 0 && dy > 0 && dx < r && dy < r,
        Math.min(Math.hypot(dx - r, dy), Math.hypot(dx + r, dy)) < 3,
        Math.max(Math.abs(dx), Math.abs(dy)) < r * 0.8,
        Math.abs(dx - dy) < 2.5 && distance < r * 1.6,
      ][label]!;
      picture[y * side + x] = (inside ? 0.8 : 0.15) + (random() - 0.5) * 0.5;
    }
  }
}

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
