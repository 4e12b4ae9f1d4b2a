import { edgeAttention, GATConv, GATv2Conv, Graph, segmentMean, type GraphConvResult } from "@heed/graph-attention";
import { Module, SGD } from "@heed/nn";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import type { Given, Operation, Operations, Tensors } from "../operation.ts";
import { withParams } from "../with-params.ts";

const key = T.randomKey(0); // modules draw parameters that are replaced at once

interface GatOptions {
  heads: number;
  concat: boolean;
  add_self_loops: boolean;
  negative_slope: number;
  bias?: boolean;
  share_weights?: boolean;
}

const convOptions = (options: GatOptions) => ({
  key,
  heads: options.heads,
  concat: options.concat,
  addSelfLoops: options.add_self_loops,
  negativeSlope: options.negative_slope,
  bias: options.bias ?? true,
});

const graphOf = ({ x, q, edges, graph }: Tensors) =>
  Graph.fromEdges(edges!, {
    nodeCount: (x ?? q)!.shape[0]!,
    ...(graph === undefined ? {} : { graphOfNode: Int32Array.from(graph.toTypedArray()) }),
  });

/** `[H, F]` as the layers hold it. */
const vector = (x: Tensor) => T.reshape(x, [1, ...x.shape]);

function results({ inputs, expected }: Given, { output, weights, graph }: GraphConvResult): Record<string, Tensor> {
  return {
    y: output,
    alpha: weights,
    edges: graph.edgeIndex,
    ...("pooled" in expected ? { pooled: segmentMean(output, inputs.graph!, graph.graphCount) } : {}),
  };
}

function gatLayer(params: Tensors, options: Parameters<typeof convOptions>[0]): GATConv {
  const { weight, att_src, att_dst, ...rest } = params;
  const [heads, out] = att_src!.shape;
  const layer = new GATConv(weight!.shape[1]!, out!, { ...convOptions(options), heads: heads! });
  return withParams(layer, { "lin.weight": weight!, att_src: vector(att_src!), att_dst: vector(att_dst!), ...rest });
}

const gat: Operation<GatOptions> = (given, options) =>
  results(given, gatLayer(given.params, options).attend(given.inputs.x!, graphOf(given.inputs)));

const gatv2: Operation<GatOptions> = (given, options) => {
  const { x, edge_features: features } = given.inputs;
  const { att, ...rest } = given.params;
  const layer = new GATv2Conv(x!.shape[1]!, att!.shape[1]!, {
    ...convOptions(options),
    shareWeights: options.share_weights ?? false,
    ...(features === undefined ? {} : { edgeDim: features.shape[1]! }),
  });
  return results(given, withParams(layer, { att: vector(att!), ...rest }).attend(x!, graphOf(given.inputs), features));
};

const edges: Operation<{ heads: number }> = ({ inputs }) => {
  const graph = graphOf(inputs);
  const { output, weights } = edgeAttention(
    inputs.q!,
    inputs.k!,
    inputs.v!,
    graph,
    inputs.edge_bias === undefined ? {} : { edgeBias: inputs.edge_bias },
  );
  const mask = new Uint8Array(graph.nodeCount ** 2);
  for (let e = 0; e < graph.edgeCount; e++) mask[graph.targetOf(e) * graph.nodeCount + graph.sourceOf(e)] = 1;
  return { y: output, alpha: weights, mask: T.tensor(mask, { shape: [graph.nodeCount, graph.nodeCount], dtype: "bool" }) };
};

class Network extends Module {
  readonly layers: readonly GATConv[];
  constructor(layers: readonly GATConv[]) {
    super();
    this.layers = layers;
  }
  forward(x: Tensor, graph: Graph): Tensor {
    return this.layers[1]!.forward(T.elu(this.layers[0]!.forward(x, graph)), graph);
  }
}

interface NetworkOptions {
  heads: number;
  steps: number;
  lr: number;
  momentum: number;
}
const gatNetwork: Operation<NetworkOptions> = ({ inputs, params, dtype }, { heads, steps, lr, momentum }) => {
  const labels = inputs.labels!;
  const count = labels.shape[0]!;
  const graph = Graph.fromEdges(inputs.edges!, { nodeCount: count });
  const x = T.eye(count, count, { dtype });
  const build = (from: Tensors) =>
    new Network(
      [0, 1].map((i) =>
        gatLayer(Object.fromEntries(["weight", "att_src", "att_dst", "bias"].map((name) => [name, from[`layers.${i}.${name}`]!])), {
          heads: i === 0 ? heads : 1,
          concat: true,
          add_self_loops: true,
          negative_slope: 0.2,
        }),
      ),
    );
  const lossOf = (network: Network) => {
    const logits = network.forward(x, graph);
    return { logits, loss: T.crossEntropy(T.indexSelect(logits, inputs.labelled!), T.gather(labels, inputs.labelled!, 0)) };
  };
  const { logits, loss } = lossOf(build(params));
  // The training works on copies: the case's own parameters are differentiated at the start.
  const copies = Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, T.tensor(value.toTypedArray(), { shape: value.shape, requiresGrad: true })]),
  );
  const optimiser = new SGD(Object.values(copies) as never, { lr, momentum });
  const losses = Array.from({ length: steps }, () => {
    optimiser.zeroGrad();
    const { loss: now } = lossOf(build(copies));
    now.backward();
    optimiser.step();
    return now.item();
  });
  return { logits, loss, losses: T.tensor(losses, { dtype }) };
};

/** Every `op` of the folder `graph-attention`. */
export const graphOperations = { gat, gatv2, edge_attention: edges, gat_network: gatNetwork } as unknown as Operations;
