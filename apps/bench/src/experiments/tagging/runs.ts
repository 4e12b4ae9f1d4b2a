import { lengthBuckets, Vocabulary } from "@heed/datasets";
import { crossEntropy, evaluating, predict } from "@heed/nn";
import { argmax, configure, noGrad, randomKey, scope, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, RunContext, Runs } from "../../experiment.ts";
import { mean } from "../../format.ts";
import type { WeightsSample } from "../../report/outcome.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import { countsOf, forgetting, lengthsOf, sentence, sentenceBatch, unknownId, type SentenceBatch } from "../../text/sentences.ts";
import { prepareTagging, type Part, type TaggingData } from "./data.ts";
import type { ModelName, TaggingDetails } from "./index.ts";
import { AttentionTagger, makeTagger, type Tagger } from "./models.ts";

type Config = { readonly model: ModelName; readonly epochs: number; readonly draw: boolean };

/** Chosen on the dev part, for all models alike. */
const shape = { wordDim: 32, width: 64, layers: 2, heads: 4, dropoutP: 0.3 };
const recipe = { rate: 5e-3, weightDecay: 0.01 };
/** One word in twenty becomes unknown, and rare ones more often: of those met once a fifth and more. */
const forgotten = { all: 0.05, rare: 0.25 };
/** Places of a batch, padding included: in training, and where nothing is recorded. */
const [places, placesEvaluated] = [1024, 8192] as const;
const shown = "I saw a saw";

const runs: Runs<Config, TaggingData> = {
  prepare: prepareTagging,
  create: (config, data, context) => bestRun(new TaggingLesson(config, data, context)),
};
export default runs;

interface Batch extends SentenceBatch {
  /** int32 `[words]` */
  readonly tags: Tensor;
}

class TaggingLesson implements Lesson<Batch> {
  readonly model: Tagger;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly description: JsonObject;
  readonly #data: TaggingData;
  readonly #draw: boolean;
  readonly #lengths: Int32Array;
  readonly #counts: Int32Array;
  readonly #context: RunContext;
  #epoch: { number: number; batches: Int32Array[] } | undefined;

  constructor({ model, epochs, draw }: Config, data: TaggingData, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#data = data;
    this.#draw = draw;
    this.#context = context;
    this.key = randomKey(context.seed).split("tagging").split(model);
    const words = data.words.tokens.length;
    this.#lengths = lengthsOf(data.train);
    this.#counts = countsOf(data.train, words);
    const whole = { ...shape, model, words, tags: data.tags.length };
    this.model = makeTagger(whole, this.key.split("model"));
    this.description = { shape: whole, tags: data.tags, words: data.words as unknown as JsonObject };
    this.recipe = { ...recipe, epochs };
    // Batches hold about as many words each; epochs differ by a batch or two, and the shortest counts.
    this.batchesPerEpoch = Math.min(...Array.from({ length: epochs }, (_, epoch) => this.#batches(epoch).length));
  }

  batch(epoch: number, at: number): Batch {
    if (this.#epoch?.number !== epoch) this.#epoch = { number: epoch, batches: this.#batches(epoch) };
    const chosen = this.#epoch.batches[at]!;
    const { train } = this.#data;
    const met = Array.from(chosen, (s) => sentence(train, s));
    const known = forgetting(met, this.#counts, forgotten, this.key.split("forget").split(epoch).split(at));
    return { ...sentenceBatch(known), tags: tagsOf(train, chosen) };
  }

  examples({ tags }: Batch): number {
    return tags.size;
  }

  loss(batch: Batch): Tensor {
    return crossEntropy(this.model.forward(batch), batch.tags);
  }

  score(): number {
    return this.#judge(this.#data.dev).accuracy;
  }

  measure(): Metrics {
    const { confusion: _confusion, ...metrics } = this.#judge(this.#data.test);
    return { ...metrics, validation: this.score() };
  }

  details(): JsonObject {
    const words = shown.split(" ");
    const batch = sentenceBatch([Vocabulary.fromJSON(this.#data.words).encode(words)]);
    const said = [...argmax(predict(this.model, batch), 1).toTypedArray()].map((tag) => this.#data.tags[Number(tag)]!);
    const { model } = this;
    const details: TaggingDetails = {
      confusion: this.#judge(this.#data.test).confusion,
      shown: { words, said },
      ...(this.#draw && model instanceof AttentionTagger ? { weights: drawn(words, weightsOf(model, batch)) } : {}),
    };
    return details as unknown as JsonObject;
  }

  #batches(epoch: number): Int32Array[] {
    return [...lengthBuckets(this.#lengths, { maxElements: Math.max(places, ...this.#lengths), key: this.key.split("order"), epoch })];
  }

  #judge(part: Part) {
    const { tags } = this.#data;
    const confusion = tags.map(() => tags.map(() => 0));
    const [right, all] = [
      { known: 0, unknown: 0 },
      { known: 0, unknown: 0 },
    ];
    let loss = 0;
    const lengths = lengthsOf(part);
    for (const chosen of lengthBuckets(lengths, { maxElements: Math.max(placesEvaluated, ...lengths), key: this.key })) {
      this.#context.checkStop();
      const words = Array.from(chosen, (s) => sentence(part, s));
      const truth = tagsOf(part, chosen);
      const of = noGrad(() =>
        scope(() => {
          const logits = predict(this.model, sentenceBatch(words));
          return { said: argmax(logits, 1).toTypedArray(), loss: crossEntropy(logits, truth, { reduction: "sum" }).item() };
        }),
      );
      loss += of.loss;
      const ids = words.flatMap((one) => [...one]);
      truth.toTypedArray().forEach((tag, i) => {
        confusion[tag]![of.said[i]!]!++;
        const kind = ids[i] === unknownId ? "unknown" : "known";
        all[kind]++;
        right[kind] += Number(of.said[i] === tag);
      });
    }
    const recalls = confusion.flatMap((row, tag) => {
      const size = row.reduce((sum, count) => sum + count, 0);
      return size === 0 ? [] : [row[tag]! / size];
    });
    const words = part.ids.length;
    return {
      confusion,
      accuracy: (right.known + right.unknown) / words,
      perClassAccuracy: mean(recalls),
      loss: loss / words,
      ...(all.known > 0 && { known: right.known / all.known }),
      ...(all.unknown > 0 && { unknown: right.unknown / all.unknown }),
    };
  }
}

/** Of each layer, `[heads][L][L]`. */
function weightsOf(model: AttentionTagger, batch: SentenceBatch): number[][][][] {
  return evaluating(() => noGrad(() => scope(() => model.weights(batch).map((weights) => (weights.toArray() as number[][][][])[0]!))));
}

function drawn(words: readonly string[], layers: readonly number[][][][]): WeightsSample[] {
  return layers.flatMap((heads, layer) =>
    heads.map((weights, head) => ({ title: `layer ${layer + 1}, head ${head + 1}`, rows: words, columns: words, weights })),
  );
}

function tagsOf({ tags, offsets }: Part, chosen: Int32Array): Tensor {
  return tensor(Int32Array.from([...chosen].flatMap((s) => [...tags.subarray(offsets[s], offsets[s + 1])])));
}
