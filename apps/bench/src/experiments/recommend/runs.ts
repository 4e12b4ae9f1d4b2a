import { lengthBuckets, padded } from "@heed/datasets";
import { crossEntropy, evaluating } from "@heed/nn";
import { configure, noGrad, randomKey, scope, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, RunContext, Runs } from "../../experiment.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import type { WeightsSample } from "../../report/outcome.ts";
import { CountingRun } from "./counting-run.ts";
import { prepareRecommend, sessionsOf, type Clicks, type RecommendData } from "./data.ts";
import type { CountingName, NetworkName, RecommendDetails } from "./index.ts";
import { NarmRecommender, recommender, type Recommender } from "./models.ts";
import { Ranking } from "./ranking.ts";

type Config =
  | { readonly model: CountingName }
  | { readonly model: NetworkName; readonly epochs: number; readonly width: number; readonly draw: boolean };
type NetworkConfig = Extract<Config, { readonly epochs: number }>;

const recipes: Readonly<Record<NetworkName, { readonly rate: number; readonly dropoutP: number }>> = {
  gru: { rate: 3e-3, dropoutP: 0.2 },
  narm: { rate: 3e-3, dropoutP: 0.2 },
  "self-attention": { rate: 2e-3, dropoutP: 0.2 },
};
const batchSize = 64;
const ignored = -1;
/** Clicks that are read at once in training: 97 % of sessions are no longer, and the rest would pad their batches many times over. */
const longest = 30;

const runs: Runs<Config, RecommendData> = {
  prepare: (settings, context) => prepareRecommend(settings, context),
  create: (config, data, context) =>
    "epochs" in config ? bestRun(new RecommendLesson(config, data, context)) : new CountingRun(config.model, data),
};
export default runs;

interface Batch {
  readonly items: Tensor;
  readonly lengths: readonly number[];
  /** int32 `[B, L]`: the click after each. */
  readonly next: Tensor;
}

class RecommendLesson implements Lesson<Batch> {
  readonly model: Recommender;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly #data: RecommendData;
  readonly #draw: boolean;
  readonly #context: RunContext;
  readonly #pieces: readonly Int32Array[];
  readonly #lengths: Int32Array;
  #epoch: { readonly number: number; readonly batches: readonly Int32Array[] } | undefined;

  constructor({ model, epochs, width, draw }: NetworkConfig, data: RecommendData, context: RunContext) {
    configure({ precision: context.settings.precision });
    const { rate, dropoutP } = recipes[model];
    this.#data = data;
    this.#draw = draw;
    this.#context = context;
    this.key = randomKey(context.seed).split("recommend").split(model);
    const told = tensor(data.attributes.slice(), { shape: [data.itemNames.length, data.attributeNames.length] });
    this.model = recommender({ name: model, items: data.itemNames.length, width, dropoutP }, told, this.key.split("model"));
    this.recipe = { rate, epochs, weightDecay: 0.01 };
    this.#pieces = sessionsOf(data.train).flatMap((items) => cut(items));
    this.#lengths = Int32Array.from(this.#pieces, (items) => items.length);
    this.batchesPerEpoch = Math.ceil(this.#pieces.length / batchSize);
  }

  batch(epoch: number, at: number): Batch {
    if (this.#epoch?.number !== epoch) {
      const order = lengthBuckets(this.#lengths, { batchSize, key: this.key.split("order"), epoch });
      this.#epoch = { number: epoch, batches: [...order] };
    }
    return batchOf(Array.from(this.#epoch.batches[at]!, (place) => this.#pieces[place]!));
  }

  examples({ lengths }: Batch): number {
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  loss({ items, lengths, next }: Batch): Tensor {
    return crossEntropy(this.model.forward(items, lengths), next, { ignoreIndex: ignored });
  }

  score(): number {
    return this.#ranked(this.#data.validation).mrr20;
  }

  measure(): Metrics {
    return { ...this.#ranked(this.#data.test), validation: this.score() };
  }

  details(): JsonObject {
    if (!this.#draw || !(this.model instanceof NarmRecommender)) return {};
    return { weights: this.#drawn(this.model) } satisfies RecommendDetails as unknown as JsonObject;
  }

  /** The first sessions of middle length in which visitors look into several categories. */
  #drawn(model: NarmRecommender): WeightsSample[] {
    const names = (items: Int32Array) => Array.from(items, (item) => this.#data.itemNames[item]!);
    const varied = sessionsOf(this.#data.test).filter(
      (items) => items.length >= 9 && items.length <= 13 && new Set(names(items).map(([category]) => category)).size > 1,
    );
    return varied.slice(0, 2).map((items, i) => {
      const said = names(items);
      const rows = Array.from({ length: items.length - 1 }, (_, t) => {
        const prefix = tensor(items.slice(0, t + 1), { shape: [1, t + 1] });
        const { scores, alpha } = evaluating(() => noGrad(() => scope(() => model.attend(prefix))));
        const [order, weights] = [scores.toTypedArray() as Float32Array, [...(alpha.toTypedArray() as Float32Array)]];
        const place = 1 + order.filter((score) => score > order[items[t + 1]!]!).length;
        const most = Math.max(...weights.map(Math.abs));
        const shares = weights.map((weight) => Math.abs(weight) / most);
        return { name: `${said[t]} → ${said[t + 1]}: ${place}`, shares: said.slice(0, -1).map((_, j) => shares[j] ?? 0) };
      });
      return {
        title: `session ${i + 1}`,
        rows: rows.map(({ name }) => name),
        columns: said.slice(0, -1),
        weights: rows.map(({ shares }) => shares),
      };
    });
  }

  #ranked(clicks: Clicks): Ranking["metrics"] {
    const sessions = sessionsOf(clicks).sort((a, b) => a.length - b.length);
    const ranking = new Ranking();
    for (let first = 0; first < sessions.length; first += batchSize) {
      this.#context.checkStop();
      const { items, lengths, next } = batchOf(sessions.slice(first, first + batchSize));
      const scores = evaluating(() => noGrad(() => scope(() => this.model.forward(items, lengths))));
      const [values, wanted, width] = [scores.toTypedArray() as Float32Array, next.toTypedArray(), scores.shape[2]!];
      wanted.forEach((item, row) => {
        if (item !== ignored) ranking.add(values.subarray(row * width, (row + 1) * width), Number(item));
      });
    }
    return ranking.metrics;
  }
}

/** Pieces of a session that share the clicks at which they meet, so that each step is learned once. */
function cut(items: Int32Array): Int32Array[] {
  const count = Math.ceil((items.length - 1) / longest);
  return Array.from({ length: count }, (_, i) => items.subarray(i * longest, (i + 1) * longest + 1));
}

function batchOf(sessions: readonly Int32Array[]): Batch {
  const { ids, lengths } = padded(sessions.map((items) => items.subarray(0, -1)));
  return { items: ids, lengths: [...lengths], next: padded(sessions.map((items) => items.subarray(1)), { padding: ignored }).ids }; // prettier-ignore
}
