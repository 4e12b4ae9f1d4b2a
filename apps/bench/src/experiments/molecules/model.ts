import { globalAttentionPool, globalMaxPool, GraphTransformerConv, segmentSum, type Graph } from "@heed/graph-attention";
import { Dropout, FeedForward, LayerNorm, Linear, Module } from "@heed/nn";
import { add, concat, gelu, mean, mul, type RandomKey, type Tensor } from "@heed/tensor";

export interface Molecules {
  readonly graph: Graph;
  readonly atoms: Tensor;
  readonly bonds: Tensor;
  /** Which molecule each atom belongs to, int32 `[N]`. */
  readonly molecules: Tensor;
}

export interface MoleculeShape {
  readonly atomFeatures: number;
  readonly bondFeatures: number;
  readonly width: number;
  readonly outputs: number;
  readonly dropoutP: number;
}

const [depth, heads, typicalAtoms] = [3, 4, 16] as const;

/** One layer, before whose parts the norms stand: attention along bonds, and a feed-forward network. */
class Layer extends Module {
  readonly norm1: LayerNorm;
  readonly conv: GraphTransformerConv;
  readonly norm2: LayerNorm;
  readonly mlp: FeedForward;
  readonly dropout: Dropout;

  constructor({ width, bondFeatures, dropoutP }: MoleculeShape, key: RandomKey) {
    super();
    this.norm1 = new LayerNorm(width);
    this.conv = new GraphTransformerConv(width, width / heads, { key: key.split("conv"), heads, edgeDim: bondFeatures, dropoutP });
    this.norm2 = new LayerNorm(width);
    this.mlp = new FeedForward(width, 2 * width, { key: key.split("mlp"), dropoutP });
    this.dropout = new Dropout(dropoutP);
  }

  forward(x: Tensor, { graph, bonds }: Molecules): Tensor {
    const seen = add(x, this.dropout.forward(this.conv.forward(this.norm1.forward(x), graph, bonds)));
    return add(seen, this.dropout.forward(this.mlp.forward(this.norm2.forward(seen))));
  }
}

/** Atoms see their neighbours three times; the attention over atoms, their maximum and their sum (size matters) make one vector of a molecule. */
export class MoleculeNet extends Module {
  readonly embed: Linear;
  readonly layers: readonly Layer[];
  readonly norm: LayerNorm;
  readonly gate: Linear;
  readonly hidden: Linear;
  readonly dropout: Dropout;
  readonly out: Linear;

  constructor(shape: MoleculeShape, key: RandomKey) {
    super();
    const { atomFeatures, width, outputs } = shape;
    this.embed = new Linear(atomFeatures, width, { key: key.split("embed") });
    this.layers = Array.from({ length: depth }, (_, i) => new Layer(shape, key.split("layers").split(i)));
    this.norm = new LayerNorm(width);
    this.gate = new Linear(width, 1, { key: key.split("gate") });
    this.hidden = new Linear(3 * width, width, { key: key.split("hidden") });
    this.dropout = new Dropout(shape.dropoutP);
    this.out = new Linear(width, outputs, { key: key.split("out") });
  }

  /** `[molecules, outputs]` */
  forward(batch: Molecules): Tensor {
    return this.#along(batch).output;
  }

  /** As `forward`, with the weight of each atom in its molecule, `[N]`, and of each bond in the last layer, mean of heads, `[edges]`. */
  attend(batch: Molecules): { output: Tensor; atoms: Tensor; bonds: Tensor } {
    const { output, weights, before } = this.#along(batch);
    const last = this.layers.at(-1)!;
    const bonds = last.conv.attend(last.norm1.forward(before), batch.graph, batch.bonds).weights;
    return { output, atoms: mean(weights, 1), bonds: mean(bonds, 1) };
  }

  #along(batch: Molecules): { output: Tensor; weights: Tensor; before: Tensor } {
    let x = this.embed.forward(batch.atoms);
    let before = x;
    for (const layer of this.layers) {
      before = x;
      x = layer.forward(x, batch);
    }
    x = this.norm.forward(x);
    const pooled = globalAttentionPool(x, this.gate.forward(x), batch.graph);
    const sums = mul(segmentSum(x, batch.molecules, batch.graph.graphCount), 1 / typicalAtoms);
    const vector = concat([pooled.output, globalMaxPool(x, batch.graph), sums], 1);
    return { output: this.out.forward(this.dropout.forward(gelu(this.hidden.forward(vector)))), weights: pooled.weights, before };
  }
}
