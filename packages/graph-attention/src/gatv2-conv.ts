import { HeedError, indexSelect, reshape, type Tensor } from "@heed/tensor";
import type { Linear, Parameter } from "@heed/nn";
import { explainGraph } from "./explain-graph.ts";
import type { Graph } from "./graph.ts";
import { attentionVector, glorot, GraphConv, requireFeatures, type GraphConvOptions, type GraphConvResult } from "./internal/conv.ts";
import { denseAttention } from "./internal/dense-attention.ts";
import { leakySum } from "./internal/leaky-sum.ts";
import { edgeAdditive, edgeSoftmax } from "./internal/edge-operations.ts";
import type { SparseMatrix } from "./sparse-matrix.ts";

export interface GATv2Options extends GraphConvOptions {
  /** One matrix for sources and targets. Default false. */
  readonly shareWeights?: boolean;
  /** Width of edge features. Needs `addSelfLoops: false`: a loop would have none. */
  readonly edgeDim?: number;
}

/**
 * Graph attention whose ranking of neighbours depends on the node that asks: l = lin_l(x), r = lin_r(x); for an edge j → i
 * the score is `att · leakyRelu(l_j + r_i + lin_edge(edge_ij))`; `y_i = Σ_j weight_ij l_j + bias`. Otherwise as `GATConv`.
 *
 * Parameters with PyTorch Geometric's names: `lin_l`, `lin_r`, `lin_edge.weight`, `att` `[1, heads, out]`, `bias`.
 * @throws {ShapeError} when x, graph or edge features do not fit; {HeedError} for `edgeDim` with self loops.
 *
 * Time O(N · in · heads · out + edgeCount · heads · out), memory O(N · heads · out + edgeCount · heads); with edge features as much as time.
 * @see Brody, Alon, Yahav 2022 (arXiv:2105.14491)
 */
export class GATv2Conv extends GraphConv {
  readonly lin_l: Linear;
  readonly lin_r: Linear;
  readonly lin_edge: Linear | null;
  readonly att: Parameter;

  constructor(inFeatures: number, outFeatures: number, options: GATv2Options) {
    super("GATv2Conv", inFeatures, outFeatures, options);
    const { key, shareWeights = false, edgeDim, bias = true } = options;
    if (edgeDim !== undefined && this.addSelfLoops) {
      throw new HeedError(
        "GATv2Conv",
        "a self loop would have no edge features",
        { edgeDim },
        "Pass addSelfLoops: false, and loops with features of your own.",
      );
    }
    const width = this.heads * outFeatures;
    this.lin_l = glorot(inFeatures, width, key.split("lin_l"), bias);
    this.lin_r = shareWeights ? this.lin_l : glorot(inFeatures, width, key.split("lin_r"), bias);
    this.lin_edge = edgeDim === undefined ? null : glorot(edgeDim, width, key.split("lin_edge"));
    this.att = attentionVector(key.split("att"), this.heads, outFeatures);
  }

  /** @param edgeFeatures `[edgeCount, edgeDim]`, in the order of the graph's edges */
  forward(x: Tensor | SparseMatrix, graph: Graph, edgeFeatures?: Tensor): Tensor {
    const used = this.edgesFor("GATv2Conv", x, graph);
    const withFeatures = edgeFeatures !== undefined || this.lin_edge !== null;
    if (explainGraph(used, { edgeFeatures: withFeatures }).form === "edges") return this.#along(x, graph, edgeFeatures).output;
    const left = this.project(x, this.lin_l);
    const right = this.lin_r === this.lin_l ? left : this.project(x, this.lin_r);
    const score = leakySum(reshape(this.att, [this.heads, this.outFeatures]), this.negativeSlope);
    return this.join(denseAttention(right, left, left, used, score, this.attentionDropout));
  }

  /** As `forward`, with the weights per edge and the edges they belong to. */
  attend(x: Tensor | SparseMatrix, graph: Graph, edgeFeatures?: Tensor): GraphConvResult {
    return this.#along(x, graph, edgeFeatures).result();
  }

  #along(x: Tensor | SparseMatrix, graph: Graph, edgeFeatures?: Tensor) {
    const used = this.edgesFor("GATv2Conv", x, graph);
    requireFeatures("GATv2Conv", graph, this.lin_edge, edgeFeatures);
    const left = this.project(x, this.lin_l);
    const right = this.lin_r === this.lin_l ? left : this.project(x, this.lin_r);
    const { graph: ordered, edges } = used.byTarget();
    const ofEdges =
      edgeFeatures === undefined
        ? undefined
        : reshape(this.lin_edge!.forward(indexSelect(edgeFeatures, edges)), [graph.edgeCount, this.heads, this.outFeatures]);
    const scores = edgeAdditive(right, left, ofEdges, this.att, this.negativeSlope, ordered.incidence);
    return this.aggregate(edgeSoftmax(scores, ordered.incidence), left, used);
  }
}
