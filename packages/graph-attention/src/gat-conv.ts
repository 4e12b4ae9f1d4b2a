import { eye, matmul, mul, ones, reshape, unsqueeze, type Tensor } from "@heed/tensor";
import { isTraining, type Linear, type Parameter } from "@heed/nn";
import { explainGraph } from "./explain-graph.ts";
import type { Graph } from "./graph.ts";
import { attentionVector, glorot, GraphConv, type GraphConvForm, type GraphConvOptions, type GraphConvResult } from "./internal/conv.ts";
import { denseAttention } from "./internal/dense-attention.ts";
import { leakySum } from "./internal/leaky-sum.ts";
import { pairAttention, pairSoftmax } from "./internal/edge-operations.ts";
import type { SparseMatrix } from "./sparse-matrix.ts";

/**
 * Graph attention: h = lin(x) as `[N, heads, out]`; for an edge j → i the score is
 * `leakyRelu(att_src · h_j + att_dst · h_i)`; weights are its softmax over i's incoming edges; `y_i = Σ_j weight_ij h_j + bias`.
 * `[N, inFeatures]` → `[N, heads · out]`, or the mean `[N, out]`. A node without incoming edges gets the bias.
 *
 * Letters: N nodes.
 * Parameters with PyTorch Geometric's names: `lin.weight`, `att_src`, `att_dst` `[1, heads, out]`, `bias`.
 * Time O(N · in · heads · out + edgeCount · heads · out), memory O(N · heads · out + edgeCount · heads).
 * @see Veličković et al. 2018 (arXiv:1710.10903)
 */
export class GATConv extends GraphConv {
  readonly lin: Linear;
  readonly att_src: Parameter;
  readonly att_dst: Parameter;

  constructor(inFeatures: number, outFeatures: number, options: GraphConvOptions) {
    super("GATConv", inFeatures, outFeatures, options);
    const { key } = options;
    this.lin = glorot(inFeatures, this.heads * outFeatures, key.split("lin"));
    this.att_src = attentionVector(key.split("att_src"), this.heads, outFeatures);
    this.att_dst = attentionVector(key.split("att_dst"), this.heads, outFeatures);
  }

  forward(x: Tensor | SparseMatrix, graph: Graph): Tensor {
    const used = this.edgesFor("GATConv", x, graph);
    if (explainGraph(used).form === "edges") return this.#along(x, graph, false).output;
    const { h, bySource, byTarget } = this.#sides(x);
    const [query, key] = [byTarget, bySource].map((side) => unsqueeze(side, -1)); // [N, heads, 1]
    const score = leakySum(ones([this.heads, 1], { dtype: h.dtype as "float32" }), this.negativeSlope);
    return this.join(denseAttention(query, key, h, used, score, this.attentionDropout));
  }

  /** As `forward`, with the weights per edge and the edges they belong to. */
  attend(x: Tensor | SparseMatrix, graph: Graph): GraphConvResult {
    return this.#along(x, graph, true).result();
  }

  #along(x: Tensor | SparseMatrix, graph: Graph, wantsWeights: boolean): GraphConvForm {
    const used = this.edgesFor("GATConv", x, graph);
    const { h, bySource, byTarget } = this.#sides(x);
    const { incidence } = used.byTarget().graph;
    // Dropout comes between the weights and their sum.
    if (isTraining() && this.attentionDropout.p > 0) {
      return this.aggregate(pairSoftmax(byTarget, bySource, this.negativeSlope, incidence), h, used);
    }
    const { output, weights } = pairAttention({ a: byTarget, b: bySource, values: h, slope: this.negativeSlope, incidence }, wantsWeights);
    return this.formed(output, weights, used);
  }

  /** The features `[N, heads, out]`, and what they add to the scores as source and as target, `[N, heads]` each. */
  #sides(x: Tensor | SparseMatrix): { h: Tensor; bySource: Tensor; byTarget: Tensor } {
    const h = this.project(x, this.lin);
    // Both products with all heads at once: a matrix that holds each head's vector in its rows and column.
    const width = this.heads * this.outFeatures;
    const own = reshape(eye(this.heads, this.heads, { dtype: h.dtype }), [this.heads, 1, this.heads]);
    const column = (att: Tensor) => reshape(mul(unsqueeze(reshape(att, [this.heads, this.outFeatures]), -1), own), [width, this.heads]);
    const flat = reshape(h, [h.shape[0], width]);
    return { h, bySource: matmul(flat, column(this.att_src)), byTarget: matmul(flat, column(this.att_dst)) };
  }
}
