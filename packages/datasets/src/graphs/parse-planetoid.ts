import { FormatError, readSafetensors, tensor, type Tensor } from "@heed/tensor";
import type { NodeGraph } from "./node-graph.ts";

const where = "parsePlanetoid";

/**
 * A graph for node classification in the plain form of the Planetoid sets (Cora, Citeseer, PubMed): a safetensors file with
 *
 * | tensor | dtype, shape | meaning |
 * | --- | --- | --- |
 * | `adj_indptr`, `adj_indices` | I32 `[N + 1]`, `[edges]` | compressed rows of the adjacency: row i names the sources of the edges to node i |
 * | `features_indptr`, `features_indices` | I32 `[N + 1]`, `[entries]` | compressed rows of the features |
 * | `features_values` | F32 `[entries]` | may be left out: 1 everywhere |
 * | `labels` | I32 `[N]` | class; −1 for none |
 * | `train_mask`, `val_mask`, `test_mask` | BOOL `[N]` | the split |
 *
 * Features are as wide as the highest column, or as the metadata's `num_features` says; at most 2²⁴. There are fewer classes than nodes.
 *
 * Letters: N nodes.
 * @param bytes the whole file
 * @param description text of the JSON file beside it, if there is one: its `classNames` and `numFeatures` are used
 * @throws {FormatError} naming the tensor and the first entry that does not fit: an index out of range, offsets that fall, a labelled split of
 * nodes without a class, a node in two parts.
 *
 * Time and memory O(bytes).
 * @see Yang, Cohen, Salakhutdinov 2016 (arXiv:1603.08861)
 */
export function parsePlanetoid(bytes: Uint8Array, description?: string): NodeGraph {
  const { tensors, metadata } = readSafetensors(bytes);
  const { classNames, featureCount } = described(description);
  const labels = ints(tensors, "labels");
  const N = labels.length;
  const adjacency = rows(tensors, "adj", N, N);
  const width = featureCount ?? (metadata.num_features === undefined ? undefined : Number(metadata.num_features));
  if (width !== undefined && !isWidth(width)) fail("num_features is a whole number from 1 to 2²⁴", { num_features: metadata.num_features });
  const features = rows(tensors, "features", N, width ?? WIDEST);
  const columns = width ?? greatest(features.columns) + 1;

  const classes = classNames?.length ?? Math.max(1, N);
  const wrong = labels.findIndex((label) => label < -1 || label >= classes);
  if (wrong >= 0) fail(`"labels" are classes 0 … ${classes - 1}, or −1`, { [`entry ${wrong}`]: labels[wrong] });
  const classCount = classNames?.length ?? greatest(labels) + 1;
  const parts = ["train_mask", "val_mask", "test_mask"].map((name) => part(tensors, name, labels));
  const taken = new Uint8Array(N);
  for (const nodes of parts) {
    for (const node of nodes) if (taken[node]++ > 0) fail("the parts of the split share no node", { node });
  }
  const [train, validation, test] = parts as [Int32Array, Int32Array, Int32Array];

  const edgeCount = adjacency.columns.length;
  const edges = new Int32Array(2 * edgeCount);
  edges.set(adjacency.columns);
  for (let i = 0; i < N; i++) edges.fill(i, edgeCount + adjacency.offsets[i]!, edgeCount + adjacency.offsets[i + 1]!);
  return {
    nodeCount: N,
    edgeIndex: tensor(edges, { shape: [2, edgeCount] }),
    features: { shape: [N, columns], ...features, values: values(tensors, features.columns.length) },
    labels,
    classCount,
    ...(classNames === undefined ? {} : { classNames }),
    train,
    validation,
    test,
  };
}

const WIDEST = 16_777_216;
const isWidth = (count: unknown): count is number => Number.isInteger(count) && (count as number) >= 1 && (count as number) <= WIDEST;
const greatest = (numbers: Int32Array): number => numbers.reduce((most, n) => Math.max(most, n), -1);

type Tensors = Readonly<Record<string, Tensor>>;

/** Offsets and columns of a matrix of N rows, checked. */
function rows(tensors: Tensors, name: string, N: number, width: number): { offsets: Int32Array; columns: Int32Array } {
  const [offsets, columns] = [ints(tensors, `${name}_indptr`), ints(tensors, `${name}_indices`)];
  if (offsets.length !== N + 1 || offsets[0] !== 0 || offsets[N] !== columns.length) {
    const got = { entries: offsets.length, first: offsets[0], last: offsets.at(-1), nodes: N, indices: columns.length };
    fail(`"${name}_indptr" has an entry per node and one more, from 0 to the number of indices`, got);
  }
  const falls = offsets.findIndex((offset, i) => i > 0 && offset < offsets[i - 1]!);
  if (falls >= 0) fail(`"${name}_indptr" does not fall`, { [`entry ${falls}`]: offsets[falls], before: offsets[falls - 1] });
  const outside = columns.findIndex((column) => column < 0 || column >= width);
  if (outside >= 0) fail(`"${name}_indices" are below ${width}, and not negative`, { [`entry ${outside}`]: columns[outside] });
  return { offsets, columns };
}

function values(tensors: Tensors, count: number): Tensor {
  const given = tensors.features_values;
  if (given === undefined) return tensor(new Float32Array(count).fill(1));
  if (given.dtype !== "float32" || given.rank !== 1 || given.size !== count) {
    fail('"features_values" is F32 with a value per entry', { dtype: given.dtype, shape: given.shape, entries: count });
  }
  const all = given.toTypedArray();
  const odd = all.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) fail('"features_values" are finite', { [`entry ${odd}`]: all[odd] });
  return given;
}

function ints(tensors: Tensors, name: string): Int32Array {
  const given = tensors[name];
  if (given?.dtype !== "int32" || given.rank !== 1) {
    fail(`there is a tensor "${name}" of I32 with one axis`, {
      tensors: Object.keys(tensors).join(" ").slice(0, 200),
      dtype: given?.dtype,
      shape: given?.shape,
    });
  }
  return given!.toTypedArray() as Int32Array;
}

/** Nodes whose bit is set; all of them have a class. */
function part(tensors: Tensors, name: string, labels: Int32Array): Int32Array {
  const given = tensors[name];
  if ((given?.dtype !== "bool" && given?.dtype !== "uint8") || given.rank !== 1 || given.size !== labels.length) {
    fail(`there is a tensor "${name}" of BOOL with a bit per node`, { dtype: given?.dtype, shape: given?.shape, nodes: labels.length });
  }
  const bits = given!.toTypedArray();
  const nodes = Int32Array.from(labels.keys()).filter((node) => bits[node] !== 0);
  const blank = nodes.find((node) => labels[node] === -1);
  if (blank !== undefined) fail(`nodes of "${name}" have a class`, { node: blank });
  return nodes;
}

function described(text: string | undefined): { classNames?: readonly string[]; featureCount?: number } {
  if (text === undefined) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return fail("the description is JSON", { message: (error as Error).message });
  }
  const { classNames: names, numFeatures: count } = (parsed ?? {}) as { classNames?: unknown; numFeatures?: unknown };
  if (names !== undefined && !(Array.isArray(names) && names.every((name) => typeof name === "string"))) {
    fail("classNames is a list of texts", { classNames: typeof names });
  }
  if (count !== undefined && !isWidth(count)) {
    fail("numFeatures is a whole number from 1 to 2²⁴", { numFeatures: count });
  }
  return {
    ...(names === undefined ? {} : { classNames: names as string[] }),
    ...(count === undefined ? {} : { featureCount: count as number }),
  };
}

function fail(rule: string, got: Readonly<Record<string, unknown>>): never {
  throw new FormatError(where, rule, got);
}
