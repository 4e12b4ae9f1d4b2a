import { lengthBuckets } from "@heed/datasets";
import { crossEntropy, evaluating, predict } from "@heed/nn";
import { configure, noGrad, randomKey, scope, softmax, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, RunContext, Runs } from "../../experiment.ts";
import { percent } from "../../format.ts";
import type { WordsSample } from "../../report/outcome.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import { countsOf, forgetting, lengthsOf, sentence, padId, sentenceBatch } from "../../text/sentences.ts";
import { classes, prepareSentiment, type Part, type SentimentData } from "./data.ts";
import type { ModelName, SentimentDetails } from "./index.ts";
import { lexiconOf } from "./pieces.ts";
import { makeReader, PoolingReader, type Reader, type ReaderBatch } from "./models.ts";

type Config = { readonly model: ModelName; readonly epochs: number; readonly draw: boolean };

/** Chosen on the validation part. */
const shape = { wordDim: 24, heads: 4, dropoutP: 0.5 };
const rates: Readonly<Record<ModelName, number>> = {
  "bag-of-words": 3e-3,
  lstm: 3e-3,
  "attention-pooling": 3e-3,
  "attention-pooling-from-chance": 3e-3,
  encoder: 1e-3,
};
const [batchSize, weightDecay, labelSmoothing] = [32, 1e-4, 0.1] as const;
/** Three words in ten become unknown in training. */
const forgotten = { all: 0.3, rare: 0 };
/** Sentences of either class, of so many words, that the report shows. */
const shown = { each: 4, shortest: 8, longest: 18 };

const runs: Runs<Config, SentimentData> = {
  prepare: prepareSentiment,
  create: (config, data, context) => bestRun(new SentimentLesson(config, data, context)),
};
export default runs;

interface Batch extends ReaderBatch {
  readonly labels: Tensor;
}

class SentimentLesson implements Lesson<Batch> {
  readonly model: Reader;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly description: JsonObject;
  readonly #data: SentimentData;
  readonly #draw: boolean;
  readonly #lengths: Int32Array;
  readonly #counts: Int32Array;
  readonly #context: RunContext;
  #epoch: { number: number; batches: Int32Array[] } | undefined;

  constructor({ model, epochs, draw }: Config, data: SentimentData, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#data = data;
    this.#draw = draw;
    this.#context = context;
    this.key = randomKey(context.seed).split("sentiment").split(model);
    this.#lengths = lengthsOf(data.train);
    this.#counts = countsOf(data.train, data.words.length);
    const whole = { ...shape, model, rows: data.rows };
    this.model = makeReader(whole, this.key.split("model"));
    if (model !== "attention-pooling-from-chance") this.model.startFrom(data.ratios, this.key.split("start"));
    this.description = { shape: whole, classes, buckets: data.buckets, words: data.known as unknown as JsonObject };
    this.recipe = { rate: rates[model], weightDecay, epochs };
    this.batchesPerEpoch = Math.ceil(this.#lengths.length / batchSize);
  }

  batch(epoch: number, at: number): Batch {
    if (this.#epoch?.number !== epoch) {
      const order = { batchSize, key: this.key.split("order"), epoch };
      this.#epoch = { number: epoch, batches: [...lengthBuckets(this.#lengths, order)] };
    }
    const chosen = this.#epoch.batches[at]!;
    const { train } = this.#data;
    const met = Array.from(chosen, (s) => sentence(train, s));
    const known = forgetting(met, this.#counts, forgotten, this.key.split("forget").split(epoch).split(at));
    return { ...this.#batch(known), labels: labelsOf(train, chosen) };
  }

  examples({ lengths }: Batch): number {
    return lengths.length;
  }

  loss(batch: Batch): Tensor {
    return crossEntropy(this.model.forward(batch), batch.labels, { labelSmoothing });
  }

  score(): number {
    return this.#judge(this.#data.validation).accuracy;
  }

  measure(): Metrics {
    const { confusion: _confusion, ...metrics } = this.#judge(this.#data.test);
    return { ...metrics, validation: this.score() };
  }

  details(): JsonObject {
    const details: SentimentDetails = {
      confusion: this.#judge(this.#data.test).confusion,
      ...(this.#draw && this.model instanceof PoolingReader ? { weighed: this.#weighed(this.model) } : {}),
    };
    return details as unknown as JsonObject;
  }

  /** The first sentences of either class that are neither short nor long. */
  #weighed(model: PoolingReader): WordsSample[] {
    const { test, words } = this.#data;
    const lengths = lengthsOf(test);
    const fitting = [...lengths.keys()].filter((s) => lengths[s]! >= shown.shortest && lengths[s]! <= shown.longest);
    const chosen = classes.flatMap((_, label) => fitting.filter((s) => test.labels[s] === label).slice(0, shown.each));
    return chosen.map((s) => {
      const ids = sentence(test, s);
      const batch = this.#batch([ids]);
      const { logits, weights } = evaluating(() =>
        noGrad(() =>
          scope(() => ({
            logits: softmax(model.forward(batch), 1).toArray() as number[][],
            weights: model.weights(batch).toArray() as number[][],
          })),
        ),
      );
      const [, positive] = logits[0] as [number, number];
      const said = positive > 0.5 ? 1 : 0;
      return {
        title: `${classes[test.labels[s]!]!} sentence ${s + 1}`,
        subtitle: `predicted ${classes[said]}, ${percent(said === 1 ? positive : 1 - positive, 0)}`,
        words: Array.from(ids, (id) => words[id]!),
        weights: weights[0]!,
      };
    });
  }

  /** Words are numbered anew, those of the batch alone; 0 fills up. */
  #batch(sentences: readonly Int32Array[]): ReaderBatch {
    const places = new Map<number, number>([[padId, 0]]);
    const numbered = sentences.map((ids) =>
      ids.map((id) => {
        const known = places.get(id);
        if (known !== undefined) return known;
        places.set(id, places.size);
        return places.size - 1;
      }),
    );
    return { ...sentenceBatch(numbered), lexicon: lexiconOf(Array.from(places.keys(), (id) => this.#data.pieces[id]!)) };
  }

  #judge(part: Part) {
    const confusion = [
      [0, 0],
      [0, 0],
    ];
    let loss = 0;
    for (const chosen of lengthBuckets(lengthsOf(part), { batchSize: 256, key: this.key })) {
      this.#context.checkStop();
      const labels = labelsOf(part, chosen);
      const batch = this.#batch(Array.from(chosen, (s) => sentence(part, s)));
      const of = noGrad(() =>
        scope(() => {
          const logits = predict(this.model, batch);
          return { logits: logits.toArray() as number[][], loss: crossEntropy(logits, labels, { reduction: "sum" }).item() };
        }),
      );
      loss += of.loss;
      labels.toTypedArray().forEach((label, i) => confusion[label]![Number(of.logits[i]![1]! > of.logits[i]![0]!)]!++);
    }
    const count = part.labels.length;
    const [no, yes] = confusion as [[number, number], [number, number]];
    return {
      confusion,
      accuracy: (no[0] + yes[1]) / count,
      perClassAccuracy: (no[0] / (no[0] + no[1]) + yes[1] / (yes[0] + yes[1])) / 2,
      loss: loss / count,
    };
  }
}

function labelsOf({ labels }: Part, chosen: Int32Array): Tensor {
  return tensor(chosen.map((s) => labels[s]!));
}
