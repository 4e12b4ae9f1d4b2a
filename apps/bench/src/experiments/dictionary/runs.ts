import { batchIndices, dictionaryLookup, type DictionaryLookup } from "@heed/datasets";
import { GATConv, GATv2Conv, Graph } from "@heed/graph-attention";
import { Adam, cosine, crossEntropy, Embedding, Linear, Module, predict, trainStep, type Schedule } from "@heed/nn";
import { argmax, configure, randomKey, reshape, resident, slice, tensor, type RandomKey, type Residency, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, Run, RunContext, Runs, StepMetrics } from "../../experiment.ts";
import { loadTraining, saveTraining } from "../../runner/training-state.ts";
import { dictionary, type ModelName } from "./index.ts";

type Config = {
  readonly model: ModelName;
  readonly size: number;
  readonly train: number;
  readonly test: number;
  readonly epochs: number;
  readonly width: number;
  readonly batchSize: number;
};

const rate = 3e-3;

const runs: Runs<Config, null> = {
  prepare: ({ options, profile }) => {
    const size = (options.size ?? dictionary.profiles[profile].size) as number;
    return { description: { name: `dictionaries of ${size}`, size }, data: null };
  },
  create: (config, _, context) => new DictionaryRun(config, context),
};
export default runs;

/** Keys and values as vectors, one layer of attention with one head, an answer. */
class Lookup extends Module {
  readonly key: Embedding;
  readonly value: Embedding;
  readonly conv: GATConv | GATv2Conv;
  readonly answer: Linear;

  constructor({ model, size, width }: Config, key: RandomKey) {
    super();
    this.key = new Embedding(size, width, { key: key.split("key") });
    this.value = new Embedding(size + 1, width, { key: key.split("value") });
    const options = { key: key.split("conv"), addSelfLoops: false };
    this.conv = model === "gat" ? new GATConv(width, width, options) : new GATv2Conv(width, width, options);
    this.answer = new Linear(width, size, { key: key.split("answer") });
  }

  /** Logits of the nodes that ask, `[dictionaries · size, size]`. */
  forward({ keys, values, graph, dictionaries }: Batch): Tensor {
    const [N, width] = [keys.shape[0]!, this.answer.weight.shape[1]!];
    const seen = this.conv.forward(this.key.forward(keys).add(this.value.forward(values)), graph);
    const nodes = reshape(seen, [dictionaries, N / dictionaries, width]);
    const asking = slice(nodes, 1, 0, N / dictionaries / 2);
    return this.answer.forward(reshape(asking, [N / 2, width]));
  }
}

interface Batch {
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly answers: Tensor;
  readonly graph: Graph;
  readonly dictionaries: number;
}

class DictionaryRun implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly stepsPerEpoch: number;
  readonly facts: JsonObject;
  readonly #config: Config;
  readonly #data: DictionaryLookup;
  readonly #graphs = new Map<number, Graph>();
  readonly #model: Lookup;
  readonly #optimiser: Adam;
  readonly #schedule: Schedule;
  readonly #key: RandomKey;
  readonly #residency: Residency;

  constructor(config: Config, { settings, seed }: RunContext) {
    configure({ precision: settings.precision });
    this.#config = config;
    // The same dictionaries for both networks; the first ones are for training.
    this.#data = dictionaryLookup({ size: config.size, count: config.train + config.test, key: randomKey(seed).split("dictionaries") });
    this.#key = randomKey(seed).split("dictionary").split(config.model);
    this.#model = new Lookup(config, this.#key.split("model"));
    this.#optimiser = new Adam(this.#model.parameters(), { lr: rate });
    this.stepsPerEpoch = Math.ceil(config.train / config.batchSize);
    this.totalSteps = config.epochs * this.stepsPerEpoch;
    this.evaluateEvery = this.stepsPerEpoch;
    this.#schedule = cosine({ base: rate, warmup: this.stepsPerEpoch, total: this.totalSteps });
    this.facts = { parameters: this.#model.parameterCount, learningRate: rate };
    this.#residency = resident([this.#model, this.#optimiser]);
  }

  step(): StepMetrics {
    const { train: count, batchSize } = this.#config;
    const step = this.#optimiser.steps;
    const [epoch, at] = [Math.floor(step / this.stepsPerEpoch), step % this.stepsPerEpoch];
    const [chosen] = batchIndices(count, { batchSize, key: this.#key.split("order"), epoch, firstBatch: at });
    const batch = this.#batch([...chosen!]);
    const { loss } = trainStep(batch, {
      optimiser: this.#optimiser,
      schedule: this.#schedule,
      key: this.#key.split("dropout"),
      loss: (given) => crossEntropy(this.#model.forward(given), given.answers),
    });
    return { loss, examples: chosen!.length };
  }

  evaluate(): Metrics {
    const { train, test } = this.#config;
    return { accuracy: this.#right(train, train + test), train: this.#right(0, Math.min(train, test)) };
  }

  saveState(): Uint8Array {
    return saveTraining(this.#model, this.#optimiser);
  }

  loadState(state: Uint8Array): void {
    loadTraining(state, this.#model, this.#optimiser);
  }

  release(): void {
    this.#residency.release();
  }

  /** The share of right answers in dictionaries `from … to − 1`. */
  #right(from: number, to: number): number {
    const { batchSize, size } = this.#config;
    let right = 0;
    for (let first = from; first < to; first += batchSize) {
      const batch = this.#batch(Array.from({ length: Math.min(batchSize, to - first) }, (_, i) => first + i));
      const said = argmax(predict(this.#model, batch), 1).toTypedArray();
      batch.answers.toTypedArray().forEach((answer, i) => (right += Number(said[i] === answer)));
    }
    return right / ((to - from) * size);
  }

  #batch(chosen: readonly number[]): Batch {
    const { keys, values, answers } = this.#data;
    const ints = (lists: readonly Int32Array[]) => tensor(Int32Array.from(lists.flatMap((list) => [...list])));
    return {
      keys: ints(chosen.map(() => keys)),
      values: ints(chosen.map((d) => values[d]!)),
      answers: ints(chosen.map((d) => answers[d]!)),
      graph: this.#graph(chosen.length),
      dictionaries: chosen.length,
    };
  }

  /** All dictionaries have the same edges: a batch of so many is made once. */
  #graph(count: number): Graph {
    const known = this.#graphs.get(count);
    if (known !== undefined) return known;
    const { edgeIndex, nodeCount } = this.#data;
    const one = Graph.fromEdges(edgeIndex, { nodeCount });
    const graph = Graph.batch(Array.from({ length: count }, () => one));
    this.#graphs.set(count, graph);
    return graph;
  }
}
