import { add, indexSelect, leakyRelu, mul, sum, type Tensor } from "@heed/tensor";
import type { Linear, Parameter } from "@heed/nn";
import type { Graph } from "./graph.ts";
import { attentionVector, glorot, GraphConv, type GraphConvOptions, type GraphConvResult } from "./internal/conv.ts";

/**
 * Graph attention: h = lin(x) as `[N, heads, out]`; for an edge j → i the score is
 * `leakyRelu(att_src · h_j + att_dst · h_i)`; weights are its softmax over i's incoming edges; `y_i = Σ_j weight_ij h_j + bias`.
 * `[N, inFeatures]` → `[N, heads · out]`, or the mean `[N, out]`. An isolated node gets the bias.
 *
 * Parameters with PyTorch Geometric's names: `lin.weight`, `att_src`, `att_dst` `[1, heads, out]`, `bias`.
 * Time and memory O(N · in · heads · out + edgeCount · heads · out).
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

  forward(x: Tensor, graph: Graph): Tensor {
    return this.attend(x, graph).output;
  }

  /** As `forward`, with the weights per edge and the edges they belong to. */
  attend(x: Tensor, graph: Graph): GraphConvResult {
    const used = this.edgesFor("GATConv", x, graph);
    const h = this.project(x, this.lin);
    const bySource = sum(mul(h, this.att_src), -1); // [N, heads]
    const byTarget = sum(mul(h, this.att_dst), -1);
    const scores = leakyRelu(add(indexSelect(bySource, used.sources), indexSelect(byTarget, used.targets)), { slope: this.negativeSlope });
    return this.aggregate(scores, h, used);
  }
}
