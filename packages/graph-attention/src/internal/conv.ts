import { add, HeedError, indexSelect, mean, reshape, ShapeError, transpose, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Dropout, Linear, Module, Parameter, xavierUniform } from "@heed/nn";
import type { Graph } from "../graph.ts";
import { SparseMatrix, sparseMatmul } from "../sparse-matrix.ts";
import { weightedSum } from "./edge-operations.ts";

/** Names as in PyTorch Geometric. */
export interface GraphConvOptions {
  readonly key: RandomKey;
  /** Default 1. */
  readonly heads?: number;
  /** Joins the heads (`[N, heads · out]`, default), or takes their mean (`[N, out]`). */
  readonly concat?: boolean;
  /** Of the leaky ReLU in the score. Default 0.2. */
  readonly negativeSlope?: number;
  /** Dropout of the weights in training. Default 0. */
  readonly dropoutP?: number;
  /** Drops self loops and adds one per node. Default true. */
  readonly addSelfLoops?: boolean;
  /** Default true. */
  readonly bias?: boolean;
}

export interface GraphConvResult {
  readonly output: Tensor;
  /** `[edges, heads]`, after softmax, before dropout. */
  readonly weights: Tensor;
  /** The graph that was used: with self loops, if they were added. Weights follow its edges. */
  readonly graph: Graph;
}

/** `result` is for those who asked for weights. */
export interface GraphConvForm {
  readonly output: Tensor;
  result(): GraphConvResult;
}

/** What GAT and GATv2 share: the edges, the softmax, the sum, and what becomes of the heads. */
export abstract class GraphConv extends Module {
  readonly bias: Parameter | null;
  readonly attentionDropout: Dropout;
  readonly heads: number;
  readonly outFeatures: number;
  readonly negativeSlope: number;
  readonly addSelfLoops: boolean;
  readonly concat: boolean;

  constructor(
    where: string,
    inFeatures: number,
    outFeatures: number,
    { heads = 1, concat = true, negativeSlope = 0.2, dropoutP = 0, addSelfLoops = true, bias = true }: GraphConvOptions,
  ) {
    super();
    requireSizes(where, { inFeatures, outFeatures, heads });
    this.heads = heads;
    this.outFeatures = outFeatures;
    this.concat = concat;
    this.negativeSlope = negativeSlope;
    this.addSelfLoops = addSelfLoops;
    this.attentionDropout = new Dropout(dropoutP);
    this.bias = bias ? new Parameter(zeros([concat ? heads * outFeatures : outFeatures])) : null;
  }

  /** `[N, in]` → `[N, heads, out]`. */
  protected project(x: Tensor | SparseMatrix, lin: Linear): Tensor {
    return reshape(linear(x, lin), [x.shape[0], this.heads, this.outFeatures]);
  }

  protected edgesFor(where: string, x: Tensor | SparseMatrix, graph: Graph): Graph {
    if (x.shape.length !== 2 || x.shape[0] !== graph.nodeCount) {
      throw new ShapeError(where, "x must be [N, inFeatures], N the graph's nodes", { x: x.shape, nodes: graph.nodeCount });
    }
    return this.addSelfLoops ? graph.withSelfLoops() : graph;
  }

  /**
   * The sum of values `[N, heads, out]` by weights `[edges, heads]`, which sum to 1 over each target's edges. Edges are ordered by target.
   * @param used the graph with the caller's order, in which weights are given back when they are asked for
   */
  protected aggregate(weights: Tensor, values: Tensor, used: Graph): GraphConvForm {
    return this.formed(weightedSum(values, this.attentionDropout.forward(weights), used.byTarget().graph.incidence), weights, used);
  }

  /** What is left to do with the sums `[N, heads, out]`, and the result for those who asked for weights. */
  protected formed(summed: Tensor, weights: Tensor | undefined, used: Graph): GraphConvForm {
    const output = this.join(summed);
    return { output, result: () => ({ output, weights: indexSelect(weights!, used.byTarget().places), graph: used }) };
  }

  /** The heads of `[N, heads, out]` side by side, or their mean; plus the bias. */
  protected join(summed: Tensor): Tensor {
    const joined = this.concat ? reshape(summed, [summed.shape[0], this.heads * this.outFeatures]) : mean(summed, 1);
    return this.bias === null ? joined : joined.add(this.bias);
  }
}

export function requireSizes(where: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(sizes)) {
    if (!Number.isInteger(n) || n < 1) throw new ShapeError(where, `${name} must be a whole number from 1 on`, { [name]: n });
  }
}

/** Edge features go with a layer that has a width for them, one row per edge. */
export function requireFeatures(where: string, graph: Graph, lin: Linear | null, features: Tensor | undefined): void {
  if ((features !== undefined) !== (lin !== null)) {
    throw new HeedError(where, "edge features and edgeDim go together", {
      edgeFeatures: features?.shape ?? "none",
      edgeDim: lin?.weight.shape[1] ?? "none",
    });
  }
  if (
    features !== undefined &&
    (features.rank !== 2 || features.shape[0] !== graph.edgeCount || features.shape[1] !== lin!.weight.shape[1])
  ) {
    throw new ShapeError(where, "edgeFeatures must be [edgeCount, edgeDim]", { edgeFeatures: features.shape, edgeCount: graph.edgeCount });
  }
}

/** A linear map of rows that are dense or sparse. */
export function linear(x: Tensor | SparseMatrix, lin: Linear): Tensor {
  if (!(x instanceof SparseMatrix)) return lin.forward(x);
  const y = sparseMatmul(x, transpose(lin.weight));
  return lin.bias === null ? y : add(y, lin.bias);
}

/** Fresh attention vectors `[1, heads, out]`, as PyTorch Geometric draws them. */
export function attentionVector(key: RandomKey, heads: number, outFeatures: number): Parameter {
  return new Parameter(reshape(xavierUniform(key, [heads, outFeatures]), [1, heads, outFeatures]));
}

/** A linear map without bias, drawn as PyTorch Geometric's ("glorot"). */
export function glorot(inFeatures: number, outFeatures: number, key: RandomKey, bias = false): Linear {
  return new Linear(inFeatures, outFeatures, { key, bias, biasInit: "zeros", init: xavierUniform });
}
