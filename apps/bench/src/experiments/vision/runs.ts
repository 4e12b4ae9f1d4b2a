import { AdamW, cosine, crossEntropy, predict, trainStep, type Schedule } from "@heed/nn";
import { argmax, configure, mean, noGrad, randomKey, resident, scope, slice, softmax, type Residency } from "@heed/tensor";
import { VisionTransformer } from "@heed/vision-patches";
import type { ImageSet } from "@heed/datasets";
import type { ClassificationDetails } from "../../classification/classification.ts";
import type { JsonObject, Metrics, Run, RunContext, Runs, StepMetrics, Trained } from "../../experiment.ts";
import { pngAddress } from "../../report/png.ts";
import type { AttentionSample } from "../../report/outcome.ts";
import { loadTraining, saveTraining, withParameters } from "../../runner/training-state.ts";
import { batchOf, Epochs, type Batch } from "./batch.ts";
import { prepareData, type VisionData } from "./data.ts";
import { vision } from "./index.ts";
import { buildModel, patchSize, sizesOf, type Classifier, type ModelName, type Start } from "./models.ts";
import { profileStep } from "../../runner/profile-step.ts";

type Config = {
  readonly model: ModelName;
  readonly rate: number;
  readonly epochs: number;
  /** Learn from a part of the training pictures, and measure on the rest, not on the test pictures. */
  readonly validate: boolean;
  readonly drawAttention: boolean;
  readonly imageSize: number;
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
  readonly batchSize: number;
  readonly start: Start;
};

/** None: these small models see every picture changed anew each time, and drawing masks would take a quarter of a step. */
const dropoutP = 0;
const weightDecay = 0.05;
const labelSmoothing = 0.1;
const clipNorm = 1;
/** Share of the steps in which the rate rises. */
const warmup = 0.05;
/** Pictures that are evaluated together. */
const group = 64;

const runs: Runs<Config, VisionData> = {
  prepare: (settings, context) => prepareData(settings, vision.profiles[settings.profile], context),
  create: (config, data, context) => new VisionRun(config, data, context),
  profileStep: (config, data, context) => profileStep(config.model, new VisionRun(config, data, context)),
};
export default runs;

class VisionRun implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly stepsPerEpoch: number;
  readonly facts: JsonObject;
  readonly #config: Config;
  readonly #data: VisionData;
  readonly #context: RunContext;
  readonly #model: Classifier;
  readonly #optimiser: AdamW;
  readonly #schedule: Schedule;
  readonly #epochs: Epochs;
  readonly #measured: { readonly set: ImageSet; readonly indices: Int32Array };
  readonly #key;
  readonly #residency: Residency;

  constructor(config: Config, data: VisionData, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#config = config;
    this.#data = data;
    this.#context = context;
    this.#key = randomKey(context.seed).split("vision").split(config.model);
    const { train, test, search } = data;
    const shape = { ...config, numClasses: train.classNames.length, dropoutP };
    const model = (this.#model = buildModel(config.model, shape, this.#key.split("model")));
    this.#epochs = new Epochs(
      train,
      config.validate ? search.train : everything(train),
      config.batchSize,
      data,
      data.augmentation,
      this.#key.split("data"),
    );
    this.#measured = config.validate ? { set: train, indices: search.validation } : { set: test, indices: everything(test) };
    this.stepsPerEpoch = this.#epochs.stepsPerEpoch;
    this.totalSteps = config.epochs * this.stepsPerEpoch;
    this.evaluateEvery = this.stepsPerEpoch * Math.max(1, Math.round(config.epochs / 20));
    this.#schedule = cosine({ base: config.rate, warmup: Math.ceil(warmup * this.totalSteps), total: this.totalSteps });
    this.#optimiser = new AdamW(model.parameters(), { lr: config.rate, weightDecay, noDecay: ({ rank }) => rank < 2 });
    this.facts = {
      parameters: model.parameterCount,
      flops: sizesOf(config.model, shape).flops,
      learningRate: config.rate,
      epochs: config.epochs,
    };
    this.#residency = resident([model, this.#optimiser]);
  }

  step(): StepMetrics {
    const batch = this.#epochs.at(this.#optimiser.steps);
    const { loss } = trainStep<Batch>(batch, {
      optimiser: this.#optimiser,
      schedule: this.#schedule,
      clipNorm,
      key: this.#key.split("dropout"),
      loss: ({ images, labels }) => crossEntropy(this.#model.forward(images), labels, { labelSmoothing }),
    });
    return { loss, examples: batch.labels.size };
  }

  evaluate(): Metrics {
    const { confusion, loss } = this.#confusion();
    const sizes = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
    const right = confusion.reduce((sum, row, truth) => sum + row[truth]!, 0);
    const recalls = confusion.flatMap((row, truth) => (sizes[truth] === 0 ? [] : [row[truth]! / sizes[truth]!]));
    return {
      accuracy: right / sizes.reduce((sum, size) => sum + size, 0),
      perClassAccuracy: recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length,
      loss,
    };
  }

  finish(): JsonObject {
    const details: ClassificationDetails = {
      confusion: this.#confusion().confusion,
      ...(this.#config.drawAttention && this.#model instanceof VisionTransformer ? { attention: this.#samples(this.#model) } : {}),
    };
    return details as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    return saveTraining(this.#model, this.#optimiser);
  }

  loadState(state: Uint8Array): void {
    loadTraining(state, this.#model, this.#optimiser);
  }

  trained(): Trained {
    const { imageSize, embedDim, depth, numHeads, start } = this.#config;
    const { train, mean, deviation } = this.#data;
    return {
      description: { imageSize, embedDim, depth, numHeads, start, classes: train.classNames, mean, deviation },
      parameters: this.#model.stateDict(),
      measure: (parameters) => withParameters(this.#model, parameters, () => this.evaluate()),
    };
  }

  release(): void {
    this.#residency.release();
  }

  #confusion(): { confusion: number[][]; loss: number } {
    const { set, indices } = this.#measured;
    const classes = set.classNames.length;
    const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    let loss = 0;
    for (let first = 0; first < indices.length; first += group) {
      this.#context.checkStop();
      const { images, labels } = batchOf(set, indices.subarray(first, first + group), this.#data);
      const logits = predict(this.#model, images);
      loss += noGrad(() => scope(() => crossEntropy(logits, labels, { reduction: "sum" }).item()));
      const said = argmax(logits, 1).toTypedArray();
      labels.toTypedArray().forEach((truth, i) => confusion[truth]![said[i]!]!++);
    }
    return { confusion, loss: loss / indices.length };
  }

  /** One test picture of each of the first classes, with the weights of the class token over the patches, mean of heads. */
  #samples(model: VisionTransformer): AttentionSample[] {
    const { test } = this.#data;
    const shown = test.classNames
      .flatMap((_, label) => {
        const index = test.labels.indexOf(label);
        return index < 0 ? [] : [index];
      })
      .slice(0, 8);
    const { images } = batchOf(test, shown, this.#data);
    const grid = test.width / patchSize;
    const { probabilities, layers } = noGrad(() =>
      scope(() => ({
        probabilities: softmax(model.forward(images), 1),
        layers: model.attentionWeights(images).map((weights) => mean(slice(slice(weights, 2, 0, 1), 3, 1), 1)), // [N, 1, P]
      })),
    );
    const chances = probabilities.toTypedArray();
    const classes = test.classNames.length;
    return shown.map((index, i) => {
      const own = chances.subarray(i * classes, (i + 1) * classes);
      const best = own.indexOf(Math.max(...own));
      const maps = [0, layers.length - 1].filter((layer, at, all) => all.indexOf(layer) === at);
      return {
        title: test.classNames[test.labels[index]!]!,
        subtitle: `predicted ${test.classNames[best]!}, ${Math.round(own[best]! * 100)} %`,
        png: pngAddress(interleaved(test, index), test.width, test.height),
        grid: [grid, grid] as const,
        maps: maps.map((layer) => ({
          label: `layer ${layer + 1} of ${layers.length}, mean of heads`,
          weights: [...layers[layer]!.toTypedArray().subarray(i * grid * grid, (i + 1) * grid * grid)],
        })),
      };
    });
  }
}

const everything = (set: ImageSet): Int32Array => Int32Array.from({ length: set.count }, (_, i) => i);

/** `[H, W, 3]` bytes of one picture. */
function interleaved({ images, channels, height, width }: ImageSet, index: number): Uint8Array {
  const plane = height * width;
  return Uint8Array.from({ length: plane * 3 }, (_, at) => images[(index * channels + (at % 3)) * plane + Math.floor(at / 3)]!);
}
