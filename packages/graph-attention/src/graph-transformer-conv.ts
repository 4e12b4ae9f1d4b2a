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
import { explainGraph } from "./explain-graph.ts";
import type { Graph } from "./graph.ts";
import { requireFeatures, requireSizes, type GraphConvOptions, type GraphConvResult } from "./internal/conv.ts";
import { denseAttention } from "./internal/dense-attention.ts";
import { edgeDots, edgeSoftmax, rowSum, weightedSum } from "./internal/edge-operations.ts";

export interface GraphTransformerOptions extends Pick<GraphConvOptions, "key" | "heads" | "concat" | "dropoutP" | "bias"> {
  /** Width of edge features, which are added to keys and values. */
  readonly edgeDim?: number;
  /** Adds `lin_skip(x)` to the output. Default true. */
  readonly rootWeight?: boolean;
  /** Weighs skip and output against each other by a learned gate. Default false. */
  readonly beta?: boolean;
}

/** `[N, heads, out]` each; of the edges `[edgeCount, heads, out]`, ordered by target. */
interface Projections {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly edges: Tensor | undefined;
}

/**
 * The attention of the Transformer along edges: for an edge j → i with features e the weight is the softmax over i's incoming edges of
 * `⟨q_i, k_j + lin_edge(e)⟩ / √out`, and `y_i = Σ_j weight_ij (v_j + lin_edge(e)) + lin_skip(x_i)`; with `beta`, β lin_skip(x_i) + (1 − β) Σ, where
 * β = sigmoid(lin_beta([Σ, lin_skip(x_i), Σ − lin_skip(x_i)])).
 *
 * `[N, inFeatures]` → `[N, heads · out]`, or the mean `[N, out]`. No loops are added: a node without incoming edges gets its skip, or 0.
 * Parameters with PyTorch Geometric's names (`TransformerConv`): `lin_query`, `lin_key`, `lin_value`, `lin_edge.weight`, `lin_skip`, `lin_beta`.
 *
 * Letters: N nodes. Time O(N · in · heads · out + edgeCount · heads · out); with edge features as much memory.
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
    const given = this.#project(x, graph, edgeFeatures);
    if (explainGraph(graph, { edgeFeatures: edgeFeatures !== undefined }).form === "edges") return this.#along(given, x, graph).output;
    return this.#joined(denseAttention(given.query, given.key, given.value, graph, undefined, this.attentionDropout), x);
  }

  /** As `forward`, with the weights per edge. */
  attend(x: Tensor, graph: Graph, edgeFeatures?: Tensor): GraphConvResult {
    const { output, weights } = this.#along(this.#project(x, graph, edgeFeatures), x, graph);
    return { output, weights: indexSelect(weights, graph.byTarget().places), graph };
  }

  #project(x: Tensor, graph: Graph, edgeFeatures: Tensor | undefined): Projections {
    if (x.rank !== 2 || x.shape[0] !== graph.nodeCount) {
      const got = { x: x.shape, nodes: graph.nodeCount };
      throw new ShapeError("GraphTransformerConv", "x must be [N, inFeatures], N the graph's nodes", got);
    }
    requireFeatures("GraphTransformerConv", graph, this.lin_edge, edgeFeatures);
    const of = (lin: Linear, rows: Tensor) => reshape(lin.forward(rows), [rows.shape[0], this.heads, this.outFeatures]);
    return {
      query: of(this.lin_query, x),
      key: of(this.lin_key, x),
      value: of(this.lin_value, x),
      edges: edgeFeatures === undefined ? undefined : of(this.lin_edge!, indexSelect(edgeFeatures, graph.byTarget().edges)),
    };
  }

  #along({ query, key, value, edges }: Projections, x: Tensor, graph: Graph): { output: Tensor; weights: Tensor } {
    const { graph: ordered } = graph.byTarget();
    const { incidence } = ordered;
    let scores = edgeDots(query, key, incidence);
    if (edges !== undefined) scores = add(scores, sum(mul(indexSelect(query, ordered.targets), edges), -1));
    const weights = edgeSoftmax(mul(scores, 1 / Math.sqrt(this.outFeatures)), incidence);
    const dropped = this.attentionDropout.forward(weights);
    let summed = weightedSum(value, dropped, incidence);
    if (edges !== undefined) summed = add(summed, rowSum(mul(unsqueeze(dropped, -1), edges), incidence));
    return { output: this.#joined(summed, x), weights };
  }

  /** The heads of `[N, heads, out]` side by side, or their mean; with the skip. */
  #joined(summed: Tensor, x: Tensor): Tensor {
    let output = this.concat ? reshape(summed, [x.shape[0], this.heads * this.outFeatures]) : mean(summed, 1);
    if (this.lin_skip !== null) {
      const skip = this.lin_skip.forward(x);
      if (this.lin_beta === null) output = add(output, skip);
      else {
        const gate = sigmoid(this.lin_beta.forward(concat([output, skip, sub(output, skip)], -1)));
        output = add(mul(gate, skip), mul(sub(1, gate), output));
      }
    }
    return output;
  }
}
