// Who listens to whom: attention along the edges of a small graph, and the weights it gives.
import { edgeAttention, GATConv, Graph } from "@heed/graph-attention";
import { normal, randomKey, tensor } from "@heed/tensor";

const edges = tensor(Int32Array.of(0, 1, 2, 3, /* → */ 1, 2, 0, 0), { shape: [2, 4] }); // 0 → 1, 1 → 2, 2 → 0, 3 → 0
const graph = Graph.fromEdges(edges, { nodeCount: 5 });
const key = randomKey(7);

const [query, keys, values] = ["query", "key", "value"].map((name) => normal(key.split(name), [5, 2, 4])); // [N, H, D]
const { output, weights } = edgeAttention(query, keys, values, graph);
console.log("weights per edge and head:", weights.toArray());
console.log("node 4 hears nobody:", output.slice(0, 4).toArray());

const layer = new GATConv(8, 4, { key: key.split("layer"), heads: 2 });
console.log("GAT:", layer.forward(normal(key.split("x"), [5, 8]), graph).shape); // [5, 8]
