import { mean, mul, reshape, ShapeError, unsqueeze, indexSelect, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Dropout, Linear, Module, Parameter, xavierUniform } from "@heed/nn";
import type { Graph } from "../graph.ts";
import { segmentSoftmax, segmentSum } from "../segments.ts";

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
    for (const [name, n] of Object.entries({ inFeatures, outFeatures, heads })) {
      if (!Number.isInteger(n) || n < 1) throw new ShapeError(where, `${name} must be a whole number from 1 on`, { [name]: n });
    }
    this.heads = heads;
    this.outFeatures = outFeatures;
    this.concat = concat;
    this.negativeSlope = negativeSlope;
    this.addSelfLoops = addSelfLoops;
    this.attentionDropout = new Dropout(dropoutP);
    this.bias = bias ? new Parameter(zeros([concat ? heads * outFeatures : outFeatures])) : null;
  }

  /** `[N, in]` → `[N, heads, out]`. */
  protected project(x: Tensor, lin: Linear): Tensor {
    return reshape(lin.forward(x), [x.shape[0], this.heads, this.outFeatures]);
  }

  protected edgesFor(where: string, x: Tensor, graph: Graph): Graph {
    if (x.rank !== 2 || x.shape[0] !== graph.nodeCount) {
      throw new ShapeError(where, "x must be [N, inFeatures], N the graph's nodes", { x: x.shape, nodes: graph.nodeCount });
    }
    return this.addSelfLoops ? graph.withSelfLoops() : graph;
  }

  /** Softmax of scores `[edges, heads]` over each target's edges, and the weighted sum of values `[N, heads, out]`. */
  protected aggregate(scores: Tensor, values: Tensor, graph: Graph): GraphConvResult {
    const { sources, targets, nodeCount } = graph;
    const weights = segmentSoftmax(scores, targets, nodeCount);
    const messages = mul(unsqueeze(this.attentionDropout.forward(weights), -1), indexSelect(values, sources));
    const summed = segmentSum(messages, targets, nodeCount);
    const joined = this.concat ? reshape(summed, [nodeCount, this.heads * this.outFeatures]) : mean(summed, 1);
    return { output: this.bias === null ? joined : joined.add(this.bias), weights, graph };
  }
}

/** Fresh attention vectors `[1, heads, out]`, as PyTorch Geometric draws them. */
export function attentionVector(key: RandomKey, heads: number, outFeatures: number): Parameter {
  return new Parameter(reshape(xavierUniform(key, [heads, outFeatures]), [1, heads, outFeatures]));
}

/** A linear map without bias, drawn as PyTorch Geometric's ("glorot"). */
export function glorot(inFeatures: number, outFeatures: number, key: RandomKey, bias = false): Linear {
  return new Linear(inFeatures, outFeatures, { key, bias, biasInit: "zeros", init: xavierUniform });
}
