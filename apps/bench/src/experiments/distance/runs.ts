import { associativeRecall, copyMemory, firstMark, listOps, type SequenceTask, type SequenceTaskOptions } from "@heed/datasets";
import { threads } from "@heed/kernels";
import { AdamW, crossEntropy, predict, trainStep } from "@heed/nn";
import { argmax, configure, noGrad, randomKey, resident, scope, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import type { Metrics, Run, RunContext, Runs, StepMetrics } from "../../experiment.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import type { ModelName, SpeedDetails, TaskName } from "./index.ts";
import { Reader } from "./models.ts";

type Config =
  | { readonly task: TaskName; readonly model: ModelName; readonly length: number; readonly steps: number; readonly width: number }
  | {
      readonly model: ModelName;
      readonly lengths: readonly number[];
      readonly threads: number;
      readonly samples: number;
      readonly width: number;
    };
type LearnConfig = Extract<Config, { readonly task: TaskName }>;
type SpeedConfig = Extract<Config, { readonly threads: number }>;

const makers: Readonly<Record<TaskName, (options: SequenceTaskOptions) => SequenceTask>> = {
  "first-mark": firstMark,
  copy: copyMemory,
  recall: associativeRecall,
  "list-ops": listOps,
};
/** Vectors of a step: short sequences come in larger batches. */
const vectorsPerStep = 4096;
const [mostSequences, speedSequences] = [32, 4] as const;
/** How often a training looks how far it is: the best parameters count. */
const epochs = 5;
const [testSequences, validationSequences] = [256, 64] as const;

const runs: Runs<Config, null> = {
  prepare: () => ({ description: { name: "distances" }, data: null }),
  create: (config, _, context) => ("task" in config ? bestRun(new DistanceLesson(config, context)) : new SpeedRun(config, context)),
};
export default runs;

interface Batch {
  readonly inputs: readonly Tensor[];
  /** Places of the batch at which something is asked, and what the answers are. int32 `[A]`. */
  readonly asked: Tensor;
  readonly answers: Tensor;
  /** Which of them count: those at the end of a sequence. */
  readonly final: readonly boolean[];
}

const sequencesOf = (length: number): number => Math.max(1, Math.min(mostSequences, Math.floor(vectorsPerStep / length)));

class DistanceLesson implements Lesson<Batch> {
  readonly model: Reader;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly facts;
  readonly measurements = 1;
  readonly #config: LearnConfig;
  readonly #context: RunContext;

  constructor(config: LearnConfig, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#config = config;
    this.#context = context;
    const { task, model, length, steps, width } = config;
    this.key = randomKey(context.seed).split("distance").split(task).split(length);
    const { vocabularySizes, classCount } = makers[task]({ length, count: 0, key: this.key });
    this.model = new Reader({ model, vocabularySizes, classCount, length, width }, this.key.split(model));
    this.recipe = { rate: 3e-3, warmup: 0.1, weightDecay: 0.01, epochs };
    this.batchesPerEpoch = Math.ceil(steps / epochs);
    this.facts = { sequencesPerStep: sequencesOf(length) };
  }

  /** New sequences at every step, the same for all models. */
  batch(epoch: number, at: number): Batch {
    return this.#drawn(this.key.split("train").split(epoch).split(at), sequencesOf(this.#config.length));
  }

  examples({ inputs }: Batch): number {
    return inputs[0]!.shape[0]!;
  }

  loss({ inputs, asked, answers }: Batch): Tensor {
    return crossEntropy(this.model.forward(inputs, asked), answers);
  }

  score(): number {
    return this.#accuracy("validation", validationSequences);
  }

  measure(): Metrics {
    return { accuracy: this.#accuracy("test", testSequences), validation: this.score() };
  }

  #accuracy(part: string, count: number): number {
    const together = sequencesOf(this.#config.length);
    let [right, all] = [0, 0];
    for (let first = 0; first < count; first += together) {
      this.#context.checkStop();
      const { inputs, asked, answers, final } = this.#drawn(this.key.split(part).split(first), Math.min(together, count - first));
      const said = noGrad(() => scope(() => argmax(predict(this.model, inputs, asked), -1))).toTypedArray();
      const wanted = answers.toTypedArray();
      final.forEach((counts, i) => (right += Number(counts && Number(said[i]) === Number(wanted[i]))));
      all += final.filter(Boolean).length;
    }
    return right / all;
  }

  #drawn(key: RandomKey, count: number): Batch {
    const { task, length } = this.#config;
    return batchOf(makers[task]({ length, count, key }));
  }
}

function batchOf({ inputs, answers, finalPlaces }: SequenceTask): Batch {
  const L = answers.shape[1]!;
  const all = answers.toTypedArray() as Int32Array;
  const asked = Int32Array.from(all.keys()).filter((place) => all[place]! >= 0);
  return {
    inputs,
    asked: tensor(asked),
    answers: tensor(asked.map((place) => all[place]!)),
    final: Array.from(asked, (place) => place % L >= L - finalPlaces),
  };
}

/** Each step is a round: one training step at each length, timed. What counts is the best of a length. */
class SpeedRun implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts: Run["facts"];
  readonly #config: SpeedConfig;
  readonly #steps: readonly (() => void)[];
  readonly #best: number[];
  #rounds = 0;
  #threads: number | undefined;

  constructor(config: SpeedConfig, { settings, seed }: RunContext) {
    configure({ precision: settings.precision, threads: config.threads });
    this.#config = config;
    this.totalSteps = this.evaluateEvery = config.samples;
    this.facts = { sequencesPerStep: speedSequences };
    this.#best = config.lengths.map(() => Infinity);
    this.#steps = config.lengths.map((length) => stepper(config, length, randomKey(seed).split("speed")));
  }

  async step(): Promise<StepMetrics> {
    if (this.#threads === undefined) {
      // Threads learn the kernels of a first call while this one waits for them.
      this.#steps.forEach((step) => step());
      this.#threads = await threads.ready();
      this.#steps.forEach((step) => step());
    }
    this.#steps.forEach((step, i) => {
      const start = performance.now();
      step();
      threads.settle();
      this.#best[i] = Math.min(this.#best[i]!, performance.now() - start);
    });
    this.#rounds++;
    return { examples: this.#steps.length * speedSequences };
  }

  evaluate(): Metrics {
    return Object.fromEntries(this.#config.lengths.map((length, i) => [`milliseconds${length}`, this.#best[i]!]));
  }

  finish() {
    return { milliseconds: this.#best, threads: this.#threads ?? 1 } satisfies SpeedDetails;
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify([this.#rounds, ...this.#best.map((time) => (time === Infinity ? null : time))]));
  }

  loadState(state: Uint8Array): void {
    const [rounds, ...best] = JSON.parse(new TextDecoder().decode(state)) as [number, ...(number | null)[]];
    this.#rounds = rounds;
    best.forEach((time, i) => (this.#best[i] = time ?? Infinity));
  }
}

/** One training step of a model of that length, on the same batch each time. */
function stepper({ model, width }: SpeedConfig, length: number, key: RandomKey): () => void {
  const task = firstMark({ length, count: speedSequences, key });
  const batch = batchOf(task);
  const reader = new Reader({ ...task, model, length, width }, key);
  const optimiser = new AdamW(reader.parameters(), { lr: 1e-4 });
  resident([reader, optimiser]);
  return () =>
    void trainStep(batch, { optimiser, key, loss: ({ inputs, asked, answers }) => crossEntropy(reader.forward(inputs, asked), answers) });
}
