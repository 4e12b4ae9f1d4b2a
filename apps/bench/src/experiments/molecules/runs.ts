import { batchIndices } from "@heed/datasets";
import { atomFeatureNames, bondFeatureNames, parseSmiles, type MoleculeGraph } from "@heed/datasets/molecules";
import { Graph } from "@heed/graph-attention";
import { binaryCrossEntropyWithLogits, evaluating, predict } from "@heed/nn";
import {
  concat,
  configure,
  mul,
  noGrad,
  randomKey,
  randomOrder,
  scope,
  square,
  sub,
  sum,
  tensor,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import type { JsonObject, Metrics, RunContext, Runs } from "../../experiment.ts";
import { mean } from "../../format.ts";
import type { GraphSample } from "../../report/outcome.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import { prepareMolecules, type MoleculeData, type Table } from "./data.ts";
import type { MoleculeDetails, TaskName } from "./index.ts";
import { MoleculeNet, type Molecules } from "./model.ts";
import { rocAuc } from "./roc-auc.ts";

type Config = { readonly task: TaskName; readonly epochs: number; readonly width: number; readonly draw: boolean };

const recipes = {
  esol: { rate: 2e-3, batchSize: 32, dropoutP: 0.1, weightDecay: 0.05 },
  tox21: { rate: 1e-3, batchSize: 64, dropoutP: 0.3, weightDecay: 0.05 },
} as const;
/** Molecules that are evaluated together. */
const group = 256;
const drawn = 6;

const runs: Runs<Config, MoleculeData> = {
  prepare: (settings, context) => prepareMolecules(settings, context),
  create: (config, data, context) => bestRun(new MoleculeLesson(config, data, context)),
};
export default runs;

interface Batch extends Molecules {
  /** `[molecules, outputs]`: 0 where nothing was measured. */
  readonly targets: Tensor;
  /** `[molecules, outputs]`: 1 where something was. */
  readonly known: Tensor;
  readonly knownCount: number;
}

class MoleculeLesson implements Lesson<Batch> {
  readonly model: MoleculeNet;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly #config: Config;
  readonly #table: Table;
  readonly #graphs: readonly { molecule: MoleculeGraph; graph: Graph }[];
  readonly #parts: Readonly<Record<"train" | "validation" | "test", Int32Array>>;
  /** Of the training targets. ESOL is learned around 0 with deviation 1. */
  readonly #mean: number;
  readonly #deviation: number;
  readonly #context: RunContext;

  constructor(config: Config, data: MoleculeData, context: RunContext) {
    configure({ precision: context.settings.precision });
    this.#config = config;
    this.#context = context;
    const { rate, batchSize, dropoutP, weightDecay } = recipes[config.task];
    const table = (this.#table = data[config.task]!);
    this.key = randomKey(context.seed).split("molecules").split(config.task);
    this.#parts = split(table.smiles, this.key.split("split"));
    this.#graphs = table.smiles.map((text) => {
      const molecule = parseSmiles(text);
      return { molecule, graph: Graph.fromEdges(molecule.edgeIndex, { nodeCount: molecule.atomCount }) };
    });
    const seen = config.task === "esol" ? [...this.#parts.train].map((i) => table.targets[i]![0]!) : [0, 1];
    this.#mean = config.task === "esol" ? seen.reduce((total, value) => total + value, 0) / seen.length : 0;
    this.#deviation =
      config.task === "esol" ? Math.sqrt(seen.reduce((total, value) => total + (value - this.#mean) ** 2, 0) / seen.length) : 1;
    const shape = {
      atomFeatures: atomFeatureNames.length,
      bondFeatures: bondFeatureNames.length,
      width: config.width,
      outputs: table.names.length,
      dropoutP,
    };
    this.model = new MoleculeNet(shape, this.key.split("model"));
    this.recipe = { rate, weightDecay, epochs: config.epochs };
    this.batchesPerEpoch = Math.ceil(this.#parts.train.length / batchSize);
  }

  batch(epoch: number, at: number): Batch {
    const { train } = this.#parts;
    const order = { batchSize: recipes[this.#config.task].batchSize, key: this.key.split("order"), epoch, firstBatch: at };
    const { value: chosen } = batchIndices(train.length, order).next() as { value: Int32Array };
    return this.#batch(chosen.map((place) => train[place]!));
  }

  examples({ targets }: Batch): number {
    return targets.shape[0]!;
  }

  score(): number {
    return this.#score(this.#parts.validation);
  }

  measure(): Metrics {
    const { train, validation, test } = this.#parts;
    if (this.#config.task === "tox21") return { auc: this.#score(test), validation: this.#score(validation), baseline: 0.5 };
    const targets = (part: Int32Array) => [...part].map((i) => this.#table.targets[i]![0]!);
    const middle = mean(targets(train));
    const baseline = rootMeanSquare(targets(test).map((target) => target - middle));
    return { rmse: this.#error(test), validation: this.#error(validation), baseline };
  }

  details(): JsonObject {
    const details: MoleculeDetails = {
      ...(this.#config.draw ? { samples: this.#samples() } : {}),
      ...(this.#config.task === "tox21" ? { perAssay: this.#aucs(this.#parts.test) } : {}),
    };
    return details as unknown as JsonObject;
  }

  /** Mean over what was measured. */
  loss(batch: Batch): Tensor {
    const out = this.model.forward(batch);
    const each =
      this.#config.task === "esol"
        ? square(sub(out, batch.targets))
        : binaryCrossEntropyWithLogits(out, batch.targets, { reduction: "none" });
    return mul(sum(mul(each, batch.known)), 1 / Math.max(1, batch.knownCount));
  }

  /** How good the model is on a part, the higher the better: by what the task is judged by. */
  #score(part: Int32Array): number {
    return this.#config.task === "tox21" ? mean(Object.values(this.#aucs(part))) : -this.#error(part);
  }

  /** RMSE in the units of the data. */
  #error(part: Int32Array): number {
    const said = this.#answers(part).map(([z]) => z! * this.#deviation + this.#mean);
    return rootMeanSquare([...part].map((i, k) => said[k]! - this.#table.targets[i]![0]!));
  }

  /** What the model says, row by row. */
  #answers(part: Int32Array): number[][] {
    return [...this.#batchesOf(part)].flatMap((batch) => predict(this.model, batch).toArray() as number[][]);
  }

  #aucs(part: Int32Array): Record<string, number> {
    const said = this.#answers(part);
    const entries = this.#table.names.map((name, t) => {
      const known = [...part].flatMap((i, k) =>
        Number.isNaN(this.#table.targets[i]![t]) ? [] : [[said[k]![t]!, this.#table.targets[i]![t] === 1] as const],
      );
      return [name, rocAuc(known.map(([score]) => score), known.map(([, positive]) => positive))] as const; // prettier-ignore
    });
    // An assay without both answers in a small part has no curve.
    return Object.fromEntries(entries.filter(([, area]) => !Number.isNaN(area)));
  }

  *#batchesOf(part: Int32Array): Generator<Batch> {
    for (let first = 0; first < part.length; first += group) {
      this.#context.checkStop();
      yield this.#batch(part.subarray(first, first + group));
    }
  }

  #batch(chosen: Int32Array): Batch {
    const parts = [...chosen].map((i) => this.#graphs[i]!);
    const rows = [...chosen].map((i) => this.#table.targets[i]!);
    const known = rows.flatMap((row) => row.map((target) => Number(!Number.isNaN(target))));
    const targets = rows.flatMap((row) => row.map((target) => (Number.isNaN(target) ? 0 : (target - this.#mean) / this.#deviation)));
    const shape = [chosen.length, this.#table.names.length];
    // Edges of a batch: all of one molecule, then all of the next, as `Graph.batch` has them.
    const graph = Graph.batch(parts.map(({ graph: one }) => one));
    return noGrad(() => ({
      graph,
      molecules: tensor(graph.graphOfNode!),
      atoms: concat(parts.map(({ molecule }) => molecule.atomFeatures)),
      bonds: concat(parts.map(({ molecule }) => molecule.bondFeatures)),
      targets: tensor(Float32Array.from(targets), { shape }),
      known: tensor(Float32Array.from(known), { shape }),
      knownCount: known.reduce((total, one) => total + one, 0),
    }));
  }

  /** Test molecules of middle size, with what attends to what. */
  #samples(): GraphSample[] {
    const { task } = this.#config;
    const fitting = [...this.#parts.test].filter((i) => {
      const { atomCount } = this.#graphs[i]!.molecule;
      const interesting = task === "esol" || this.#table.targets[i]!.includes(1);
      return atomCount >= 10 && atomCount <= 24 && interesting;
    });
    return fitting.slice(0, drawn).map((i) => {
      const batch = this.#batch(Int32Array.of(i));
      const { output, atoms, bonds } = evaluating(() => noGrad(() => scope(() => this.model.attend(batch))));
      const molecule = parseSmiles(this.#table.smiles[i]!, { layout: true });
      const [ofAtoms, ofBonds] = [atoms, bonds].map((weights) => [...(weights.toTypedArray() as Float32Array)]) as [number[], number[]];
      const count = molecule.edgeIndex.shape[1]! / 2;
      const [sources, targets] = molecule.edgeIndex.toArray() as number[][];
      const orders = molecule.bondFeatures.toArray() as number[][];
      const both = Array.from({ length: count }, (_, e) => (ofBonds[e]! + ofBonds[count + e]!) / 2);
      const [most, strongest] = [Math.max(...ofAtoms), Math.max(...both)];
      return {
        title: shortened(this.#table.smiles[i]!),
        subtitle: this.#said(i, output.toArray() as number[][]),
        nodes: molecule.positions!.map(([x, y], a) => ({ x, y, label: molecule.elements[a]!, weight: ofAtoms[a]! / most })),
        edges: both.map((weight, e) => ({ from: sources![e]!, to: targets![e]!, weight: weight / strongest, lines: linesOf(orders[e]!) })),
      };
    });
  }

  #said(i: number, [row]: number[][]): string {
    const { targets, names } = this.#table;
    if (this.#config.task === "esol") {
      const [said, measured] = [row![0]! * this.#deviation + this.#mean, targets[i]![0]!];
      return `log solubility ${measured.toFixed(2)}, predicted ${said.toFixed(2)}`;
    }
    const active = names.flatMap((name, t) =>
      targets[i]![t] === 1 ? [`${name} (predicted ${Math.round(100 / (1 + Math.exp(-row![t]!)))} %)`] : [],
    );
    return `active in ${active.slice(0, 4).join(", ")}${active.length > 4 ? " …" : ""}`;
  }
}

const shortened = (text: string): string => (text.length <= 26 ? text : `${text.slice(0, 25)}…`);

const rootMeanSquare = (values: readonly number[]): number => Math.sqrt(mean(values.map((value) => value ** 2)));

/** Single, double and triple bonds as so many lines; aromatic ones as one. */
function linesOf(features: readonly number[]): number {
  return features[2] === 1 ? 3 : features[1] === 1 ? 2 : 1;
}

/** 80 / 10 / 10 %: a random order of the different texts; records of one text stay together. */
function split(smiles: readonly string[], key: RandomKey): Record<"train" | "validation" | "test", Int32Array> {
  const places = new Map<string, number[]>();
  smiles.forEach((text, i) => places.set(text, [...(places.get(text) ?? []), i]));
  const all = [...places.values()];
  const order = [...randomOrder(key, all.length)].map((g) => all[g]!);
  const [first, second] = [Math.floor(0.8 * order.length), Math.floor(0.9 * order.length)];
  const of = (groups: readonly (readonly number[])[]) => Int32Array.from(groups.flat());
  return { train: of(order.slice(0, first)), validation: of(order.slice(first, second)), test: of(order.slice(second)) };
}
