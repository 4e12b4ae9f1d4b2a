import {
  add,
  concat,
  HeedError,
  indexSelect,
  mean,
  mul,
  reshape,
  ShapeError,
  sigmoid,
  sub,
  sum,
  unsqueeze,
  type Tensor,
} from "@heed/tensor";
import { Dropout, Linear, Module, xavierUniform } from "@heed/nn";
import type { Graph } from "./graph.ts";
import { requireFeatures, requireSizes, type GraphConvOptions, type GraphConvResult } from "./internal/conv.ts";
import { edgeDots, edgeSoftmax, rowSum, weightedSum } from "./internal/edge-operations.ts";

export interface GraphTransformerOptions extends Pick<GraphConvOptions, "key" | "heads" | "concat" | "dropoutP" | "bias"> {
  /** Width of edge features, which are added to keys and values. */
  readonly edgeDim?: number;
  /** Adds `lin_skip(x)` to the output. Default true. */
  readonly rootWeight?: boolean;
  /** Weighs skip and output against each other by a learned gate. Default false. */
  readonly beta?: boolean;
}

/**
 * The attention of the Transformer along edges: for an edge j → i with features e the weight is the softmax over i's incoming edges of
 * `⟨q_i, k_j + lin_edge(e)⟩ / √out`, and `y_i = Σ_j weight_ij (v_j + lin_edge(e)) + lin_skip(x_i)`; with `beta`, β lin_skip(x_i) + (1 − β) Σ, where
 * β = sigmoid(lin_beta([Σ, lin_skip(x_i), Σ − lin_skip(x_i)])).
 *
 * `[N, inFeatures]` → `[N, heads · out]`, or the mean `[N, out]`. No loops are added: a node without incoming edges gets its skip, or 0.
 * Parameters with PyTorch Geometric's names (`TransformerConv`): `lin_query`, `lin_key`, `lin_value`, `lin_edge.weight`, `lin_skip`, `lin_beta`.
 *
 * Time O(N · in · heads · out + edgeCount · heads · out); with edge features as much memory.
 * @see Shi et al. 2021 (arXiv:2009.03509)
 */
export class GraphTransformerConv extends Module {
  readonly heads: number;
  readonly outFeatures: number;
  readonly concat: boolean;
  readonly lin_query: Linear;
  readonly lin_key: Linear;
  readonly lin_value: Linear;
  readonly lin_edge: Linear | null;
  readonly lin_skip: Linear | null;
  readonly lin_beta: Linear | null;
  readonly attentionDropout: Dropout;

  constructor(inFeatures: number, outFeatures: number, options: GraphTransformerOptions) {
    super();
    const { key, heads = 1, concat: joins = true, dropoutP = 0, bias = true, edgeDim, rootWeight = true, beta = false } = options;
    requireSizes("GraphTransformerConv", { inFeatures, outFeatures, heads, ...(edgeDim === undefined ? {} : { edgeDim }) });
    if (beta && !rootWeight)
      throw new HeedError("GraphTransformerConv", "beta weighs the skip, which rootWeight: false leaves out", { beta, rootWeight });
    this.heads = heads;
    this.outFeatures = outFeatures;
    this.concat = joins;
    const wide = heads * outFeatures;
    const out = joins ? wide : outFeatures;
    const linear = (name: string, from: number, to: number, withBias: boolean) =>
      new Linear(from, to, { key: key.split(name), bias: withBias, init: xavierUniform, biasInit: "zeros" });
    this.lin_query = linear("lin_query", inFeatures, wide, bias);
    this.lin_key = linear("lin_key", inFeatures, wide, bias);
    this.lin_value = linear("lin_value", inFeatures, wide, bias);
    this.lin_edge = edgeDim === undefined ? null : linear("lin_edge", edgeDim, wide, false);
    this.lin_skip = rootWeight ? linear("lin_skip", inFeatures, out, bias) : null;
    this.lin_beta = beta ? linear("lin_beta", 3 * out, 1, false) : null;
    this.attentionDropout = new Dropout(dropoutP);
  }

  /** @param edgeFeatures `[edgeCount, edgeDim]`, in the order of the graph's edges */
  forward(x: Tensor, graph: Graph, edgeFeatures?: Tensor): Tensor {
    return this.#along(x, graph, edgeFeatures).output;
  }

  /** As `forward`, with the weights per edge. */
  attend(x: Tensor, graph: Graph, edgeFeatures?: Tensor): GraphConvResult {
    return this.#along(x, graph, edgeFeatures).result();
  }

  #along(x: Tensor, graph: Graph, edgeFeatures: Tensor | undefined) {
    if (x.rank !== 2 || x.shape[0] !== graph.nodeCount) {
      const got = { x: x.shape, nodes: graph.nodeCount };
      throw new ShapeError("GraphTransformerConv", "x must be [N, inFeatures], N the graph's nodes", got);
    }
    requireFeatures("GraphTransformerConv", graph, this.lin_edge, edgeFeatures);
    const { heads, outFeatures: width } = this;
    const { graph: ordered, edges, places } = graph.byTarget();
    const { incidence } = ordered;
    const split = (y: Tensor) => reshape(y, [y.shape[0], heads, width]);
    const [query, key, value] = [this.lin_query, this.lin_key, this.lin_value].map((lin) => split(lin.forward(x)));
    const ofEdges = edgeFeatures === undefined ? undefined : split(this.lin_edge!.forward(indexSelect(edgeFeatures, edges)));

    let scores = edgeDots(query, key, incidence);
    if (ofEdges !== undefined) scores = add(scores, sum(mul(indexSelect(query, ordered.targets), ofEdges), -1));
    const weights = edgeSoftmax(mul(scores, 1 / Math.sqrt(width)), incidence);
    const dropped = this.attentionDropout.forward(weights);
    let summed = weightedSum(value, dropped, incidence);
    if (ofEdges !== undefined) summed = add(summed, rowSum(mul(unsqueeze(dropped, -1), ofEdges), incidence));

    let output = this.concat ? reshape(summed, [graph.nodeCount, heads * width]) : mean(summed, 1);
    if (this.lin_skip !== null) {
      const skip = this.lin_skip.forward(x);
      if (this.lin_beta === null) output = add(output, skip);
      else {
        const gate = sigmoid(this.lin_beta.forward(concat([output, skip, sub(output, skip)], -1)));
        output = add(mul(gate, skip), mul(sub(1, gate), output));
      }
    }
    return { output, result: (): GraphConvResult => ({ output, weights: indexSelect(weights, places), graph }) };
  }
}
