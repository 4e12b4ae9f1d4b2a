import { parsePlanetoid, type NodeGraph } from "@heed/datasets";
import { Graph, SparseMatrix } from "@heed/graph-attention";
import { Adam, crossEntropy, predict, trainStep } from "@heed/nn";
import { argmax, configure, indexSelect, noGrad, randomKey, resident, scope, tensor, type Residency, type Tensor } from "@heed/tensor";
import type { ClassificationDetails } from "../../classification/classification.ts";
import type { JsonObject, Metrics, Run, RunContext, Runs, StepMetrics } from "../../experiment.ts";
import { keptParameters, loadTraining, saveTraining, withParameters } from "../../runner/training-state.ts";
import { prepareGraph, type GraphData } from "./data.ts";
import type { ModelName } from "./index.ts";
import { flopsPerNode, NodeClassifier } from "./model.ts";

type Config = { readonly model: ModelName; readonly epochs: number; readonly patience: number };

const [rate, weightDecay] = [5e-3, 5e-4] as const;

const runs: Runs<Config, GraphData> = {
  prepare: (settings, context) => prepareGraph(settings, context),
  create: (config, data, context) => new GraphRun(config, data, context),
};
export default runs;

/** What the validation nodes said so far. */
interface Judged {
  accuracy: number;
  loss: number;
  /** Epochs since either got better. */
  waited: number;
}

/** One step is an epoch: an update from the training nodes, and a look at the validation nodes, by which it stops. */
class GraphRun implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly stepsPerEpoch = 1;
  readonly facts: JsonObject;
  readonly #patience: number;
  readonly #data: NodeGraph;
  readonly #graph: Graph;
  readonly #x: SparseMatrix;
  readonly #model: NodeClassifier;
  readonly #optimiser: Adam;
  readonly #key;
  readonly #residency: Residency;
  readonly #judged: Judged = { accuracy: 0, loss: Infinity, waited: 0 };
  #best: Readonly<Record<string, Tensor>>;

  constructor({ model, epochs, patience }: Config, { bytes, description }: GraphData, { settings, seed }: RunContext) {
    configure({ precision: settings.precision });
    const data = (this.#data = parsePlanetoid(bytes.slice(), description));
    const key = (this.#key = randomKey(seed).split("graph").split(model));
    const edges = model === "no-edges" ? tensor(new Int32Array(0), { shape: [2, 0] }) : data.edgeIndex;
    this.#graph = Graph.fromEdges(edges, { nodeCount: data.nodeCount });
    this.#x = SparseMatrix.fromRows({ ...data.features, values: shares(data.features) });
    this.#model = new NodeClassifier(model, data.features.shape[1], data.classCount, key.split("model"));
    // As in the paper's program, biases do not decay.
    this.#optimiser = new Adam(this.#model.parameters(), { lr: rate, weightDecay, noDecay: ({ rank }) => rank < 2 });
    this.#best = keptParameters(this.#model);
    this.#patience = patience;
    this.totalSteps = epochs;
    this.evaluateEvery = Math.min(25, epochs);
    this.facts = {
      parameters: this.#model.parameterCount,
      flops: flopsPerNode(this.#graph, this.#x.entryCount, data.classCount),
      learningRate: rate,
    };
    this.#residency = resident([this.#model, this.#optimiser]);
  }

  get stopped(): boolean {
    return this.#judged.waited >= this.#patience;
  }

  step(): StepMetrics {
    const { train, validation } = this.#data;
    const { loss } = trainStep(this.#of(train), {
      optimiser: this.#optimiser,
      key: this.#key.split("dropout"),
      loss: ({ nodes, labels }) => crossEntropy(indexSelect(this.#model.forward(this.#x, this.#graph), nodes), labels),
    });
    const now = this.#measure(predict(this.#model, this.#x, this.#graph), validation);
    const judged = this.#judged;
    const [sees, costs] = [now.accuracy >= judged.accuracy, now.loss <= judged.loss];
    if (sees && costs) this.#best = keptParameters(this.#model);
    judged.waited = sees || costs ? 0 : judged.waited + 1;
    judged.accuracy = Math.max(judged.accuracy, now.accuracy);
    judged.loss = Math.min(judged.loss, now.loss);
    return { loss, examples: train.length };
  }

  evaluate(): Metrics {
    const { confusion, accuracy, loss } = this.#tested();
    const recalls = confusion.flatMap((row, truth) => {
      const size = row.reduce((sum, count) => sum + count, 0);
      return size === 0 ? [] : [row[truth]! / size];
    });
    return {
      accuracy,
      perClassAccuracy: recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length,
      loss,
      validation: this.#judged.accuracy,
    };
  }

  finish(): JsonObject {
    return { confusion: this.#tested().confusion } satisfies ClassificationDetails as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    const { accuracy, loss, waited } = this.#judged;
    return saveTraining(this.#model, this.#optimiser, this.#best, { judged: [accuracy, loss, waited].join(" ") });
  }

  loadState(state: Uint8Array): void {
    const { more, notes } = loadTraining(state, this.#model, this.#optimiser);
    const [accuracy, loss, waited] = notes.judged!.split(" ").map(Number) as [number, number, number];
    Object.assign(this.#judged, { accuracy, loss, waited });
    this.#best = more;
  }

  release(): void {
    this.#residency.release();
  }

  #of(nodes: Int32Array): { nodes: Tensor; labels: Tensor } {
    return { nodes: tensor(nodes), labels: tensor(Int32Array.from(nodes, (node) => this.#data.labels[node]!)) };
  }

  /** On the test nodes, with the best parameters. */
  #tested() {
    return withParameters(this.#model, this.#best, () => this.#measure(predict(this.#model, this.#x, this.#graph), this.#data.test));
  }

  #measure(logits: Tensor, nodes: Int32Array): { accuracy: number; loss: number; confusion: number[][] } {
    const { classCount } = this.#data;
    const of = this.#of(nodes);
    const { loss, said } = noGrad(() =>
      scope(() => {
        const rows = indexSelect(logits, of.nodes);
        return { loss: crossEntropy(rows, of.labels).item(), said: argmax(rows, 1).toTypedArray() };
      }),
    );
    const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
    nodes.forEach((node, i) => confusion[this.#data.labels[node]!]![Number(said[i])]!++);
    return { accuracy: confusion.reduce((sum, row, truth) => sum + row[truth]!, 0) / nodes.length, loss, confusion };
  }
}

/** Each row of the features divided by its sum, as the paper has it; rows of zeros stay. */
function shares({ offsets, values }: NodeGraph["features"]): Tensor {
  const all = Float32Array.from(values.toTypedArray());
  for (let i = 0; i + 1 < offsets.length; i++) {
    const row = all.subarray(offsets[i], offsets[i + 1]);
    const sum = row.reduce((total, value) => total + value, 0);
    if (sum !== 0) row.forEach((value, k) => (row[k] = value / sum));
  }
  return tensor(all);
}
