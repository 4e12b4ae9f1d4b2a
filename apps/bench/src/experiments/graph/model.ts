import { GATConv, GATv2Conv, type Graph, type SparseMatrix } from "@heed/graph-attention";
import { Dropout, Module } from "@heed/nn";
import { elu, type RandomKey, type Tensor } from "@heed/tensor";
import type { ModelName } from "./index.ts";

const [heads, width, dropoutP] = [8, 8, 0.6] as const;

/** The network of the paper: 8 heads of 8 features, ELU, one head of a feature per class; features and weights drop out. */
export class NodeClassifier extends Module {
  readonly dropout = new Dropout(dropoutP);
  readonly conv1: GATConv | GATv2Conv;
  readonly conv2: GATConv | GATv2Conv;

  constructor(name: ModelName, features: number, classes: number, key: RandomKey) {
    super();
    const Conv = name === "gatv2" ? GATv2Conv : GATConv;
    this.conv1 = new Conv(features, width, { key: key.split("conv1"), heads, dropoutP });
    this.conv2 = new Conv(heads * width, classes, { key: key.split("conv2"), concat: false, dropoutP });
  }

  /** Logits `[N, classes]`. */
  forward(x: SparseMatrix, graph: Graph): Tensor {
    const hidden = elu(this.conv1.forward(x.withValues(this.dropout.forward(x.values)), graph));
    return this.conv2.forward(this.dropout.forward(hidden), graph);
  }
}

/** Of the products of one forward pass, a multiply-add counted as two; per node. */
export function flopsPerNode({ nodeCount, edgeCount }: Graph, entries: number, classes: number): number {
  const hidden = heads * width;
  return Math.round((2 * entries * hidden + 2 * (edgeCount + nodeCount) * (hidden + classes)) / nodeCount + 2 * hidden * classes);
}
