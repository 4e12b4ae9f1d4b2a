import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attention } from "@heed/attention";
import {
  add,
  grad,
  indexSelect,
  leakyRelu,
  matmul,
  mean,
  mul,
  randomKey,
  reshape,
  slice,
  squeeze,
  stack,
  sum,
  tensor,
  transpose,
  unsqueeze,
  zeros,
  type Tensor,
} from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { functionalCall, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import {
  edgeAttention,
  explainGraph,
  GATConv,
  GATv2Conv,
  globalAttentionPool,
  globalMaxPool,
  globalMeanPool,
  Graph,
  GraphTransformerConv,
  segmentMean,
  segmentSoftmax,
  segmentSum,
  type GraphTransformerOptions,
} from "./index.ts";

const edgesOf = (sources: readonly number[], targets: readonly number[]) =>
  tensor(Int32Array.from([...sources, ...targets]), { shape: [2, sources.length] });
const graph = Graph.fromEdges(edgesOf([0, 1, 2, 3, 0, 2], [1, 2, 0, 0, 0, 2]), { nodeCount: 5 });

describe("Graph", () => {
  it("groups incoming edges by target in the caller's order", () => {
    const { offsets, edges } = graph.toCsr();
    expect([...offsets]).toEqual([0, 3, 4, 6, 6, 6]);
    expect([...edges]).toEqual([2, 3, 4, 0, 1, 5]);
  });

  it("replaces self loops by one per node", () => {
    const looped = graph.withSelfLoops();
    expect(looped.edgeIndex.toArray()).toEqual([
      [0, 1, 2, 3, 0, 1, 2, 3, 4],
      [1, 2, 0, 0, 0, 1, 2, 3, 4],
    ]);
  });

  it("goes both ways when undirected, each edge once", () => {
    expect(
      Graph.fromEdges(edgesOf([0, 1, 1], [1, 0, 2]))
        .toUndirected()
        .edgeIndex.toArray(),
    ).toEqual([
      [0, 1, 1, 2],
      [1, 0, 2, 1],
    ]);
  });

  it("puts graphs side by side", () => {
    const pair = Graph.batch([Graph.fromEdges(edgesOf([0], [1])), Graph.fromEdges(edgesOf([1, 0], [0, 2]))]);
    expect(pair.edgeIndex.toArray()).toEqual([
      [0, 3, 2],
      [1, 2, 4],
    ]);
    expect([...pair.graphOfNode!]).toEqual([0, 0, 1, 1, 1]);
    expect(pair.graphCount).toBe(2);
  });

  it("names the edge that is wrong", () => {
    expect(() => Graph.fromEdges(edgesOf([0, 7], [1, 1]), { nodeCount: 3 })).toThrow(
      "Graph: edge 1 names a node outside 0 … 2; got source 7, target 1, nodeCount 3.",
    );
    expect(() => Graph.fromEdges(edgesOf([0, -1], [1, 1]))).toThrow(/edge 1 .* source -1/);
    expect(() =>
      Graph.fromEdges(
        tensor([
          [0, 1],
          [1, 0],
        ]),
      ),
    ).toThrow(/must be int32/);
    expect(() => Graph.fromEdges(tensor(new Int32Array(3), { shape: [3, 1] }))).toThrow(/\[2, edgeCount\].*edgeIndex \[3, 1\]/);
  });
});

describe("segments", () => {
  const segment = tensor(Int32Array.of(2, 0, 2, 2, 0));

  it("sums, averages and normalises by segment; empty ones give 0", () => {
    const x = tensor([[1], [2], [3], [4], [5]]);
    expect(segmentSum(x, segment, 4).toArray()).toEqual([[7], [0], [8], [0]]);
    expectClose(segmentMean(x, segment, 4), tensor([[3.5], [0], [8 / 3], [0]]), 1e-6);
    const weights = segmentSoftmax(x, segment, 4);
    expectClose(segmentSum(weights, segment, 4), tensor([[1], [0], [1], [0]]), 1e-6);
  });

  it("takes each segment's maximum out first, and gives −∞ no weight", () => {
    const scores = tensor([[1e30], [-Infinity], [1e30], [-1e30], [-Infinity]]);
    expect(segmentSoftmax(scores, segment, 3).toArray()).toEqual([[0.5], [0], [0.5], [0], [0]]);
  });

  it("has the gradients of its central differences, twice", () => {
    expectGradient((x) => segmentSum(x, segment, 4), [[5, 3]], { second: true });
    expectGradient((x) => segmentSoftmax(x, segment, 4), [[5, 3]], { second: true });
  });

  it("wants one segment per row", () => {
    expect(() => segmentSum(randomTensor([4, 2], 1), segment, 4)).toThrow(/one segment per row; got x \[4, 2\], segment \[5\]/);
  });
});

describe("edgeAttention", () => {
  const [N, H, D, E] = [5, 2, 3, 7];
  const inputs = () => [randomTensor([N, H, D], 1), randomTensor([N, H, D], 2), randomTensor([N, H, E], 3)] as const;
  const dense = (query: Tensor, key: Tensor, value: Tensor, mask: Tensor) => {
    const heads = (x: Tensor) => transpose(x, 0, 1); // [N, H, D] → [H, N, D]
    return transpose(attention(heads(query), heads(key), heads(value), { mask }), 0, 1);
  };

  it("equals dense attention under the mask of the graph; an isolated node gets zeros", () => {
    const [query, key, value] = inputs();
    const bits = new Uint8Array(N * N);
    for (let e = 0; e < graph.edgeCount; e++) bits[graph.targetOf(e) * N + graph.sourceOf(e)] = 1;
    const { output, weights } = edgeAttention(query, key, value, graph);
    expectClose(output, dense(query, key, value, tensor(bits, { shape: [N, N], dtype: "bool" })), 1e-6);
    expect(weights.shape).toEqual([graph.edgeCount, H]);
    expect(
      output
        .slice(0, 3)
        .toTypedArray()
        .every((value) => value === 0),
    ).toBe(true);
  });

  it("does not depend on the order of edges", () => {
    const [query, key, value] = inputs();
    const { output } = edgeAttention(query, key, value, graph);
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), (order) => {
        const shuffled = Graph.fromEdges(
          edgesOf(
            order.map((e) => graph.sourceOf(e)),
            order.map((e) => graph.targetOf(e)),
          ),
          { nodeCount: N },
        );
        expectClose(edgeAttention(query, key, value, shuffled).output, output, 1e-6);
      }),
      { numRuns: 30 },
    );
  });

  it("has the gradients of its central differences, also of the edge bias", () => {
    expectGradient(
      (q, k, v, bias) => edgeAttention(q, k, v, graph, { edgeBias: bias }).output,
      [
        [N, H, D],
        [N, H, D],
        [N, H, E],
        [graph.edgeCount, H],
      ],
      { second: true },
    );
  });

  it("says what does not fit", () => {
    const [query, key, value] = inputs();
    expect(() => edgeAttention(query, key, randomTensor([4, H, E], 1), graph)).toThrow(
      /edgeAttention: query and key must be \[N, H, D\].*value \[4, 2, 7\]/,
    );
    expect(() => edgeAttention(query, key, value, graph, { edgeBias: randomTensor([3, H], 1) })).toThrow(
      /edgeBias must be \[edgeCount, H\]/,
    );
  });
});

describe.each(["GATConv", "GATv2Conv"] as const)("%s", (name) => {
  const make = (options: Partial<ConstructorParameters<typeof GATConv>[2]> = {}) =>
    new (name === "GATConv" ? GATConv : GATv2Conv)(4, 3, { key: randomKey(5), heads: 2, ...options });

  it("joins or averages heads, and gives an isolated node the bias", () => {
    const x = randomTensor([5, 4], 1);
    expect(make().forward(x, graph).shape).toEqual([5, 6]);
    const layer = make({ concat: false, addSelfLoops: false });
    const y = layer.forward(x, graph);
    expect(y.shape).toEqual([5, 3]);
    expectClose(y.slice(0, 4), unsqueeze(layer.bias!, 0), 0);
  });

  it("gives weights that sum to one over each target's edges", () => {
    const { weights, graph: used } = make().attend(randomTensor([5, 4], 1), graph);
    expectClose(segmentSum(weights, used.targets, 5), tensor(new Float32Array(10).fill(1), { shape: [5, 2] }), 1e-6);
  });

  it("has the gradients of its central differences, of x and of every parameter, twice", () => {
    expectModuleGradient(make(), (layer, x) => layer.forward(x, graph), [[5, 4]], { second: true });
  });

  it("does not depend on the order of edges, but for that of the weights", () => {
    const x = randomTensor([5, 4], 1);
    const layer = make({ addSelfLoops: false });
    const expected = layer.attend(x, graph);
    const order = [3, 1, 5, 0, 4, 2];
    const [sources, targets] = graph.edgeIndex.toArray() as number[][];
    const shuffled = Graph.fromEdges(
      edgesOf(
        order.map((e) => sources![e]!),
        order.map((e) => targets![e]!),
      ),
      { nodeCount: 5 },
    );
    const { output, weights } = layer.attend(x, shuffled);
    expectClose(output, expected.output, 1e-6);
    expectClose(weights, indexSelect(expected.weights, tensor(Int32Array.from(order))), 1e-6);
  });

  it("says what does not fit", () => {
    expect(() => make().forward(randomTensor([4, 4], 1), graph)).toThrow(/x must be \[N, inFeatures\].*x \[4, 4\], nodes 5/);
    expect(() => make({ heads: 0 })).toThrow(/heads must be a whole number/);
  });
});

describe("GATConv on a complete graph", () => {
  it("is additive self-attention: values and gradients", () => {
    const [N, heads, out] = [6, 2, 3];
    const complete = Graph.fromEdges(
      edgesOf(
        Array.from({ length: N * N }, (_, e) => e % N),
        Array.from({ length: N * N }, (_, e) => Math.floor(e / N)),
      ),
    );
    const layer = new GATConv(4, out, { key: randomKey(3), heads });
    // The same layer from the parts of dense attention: leakyRelu of two terms is an additive score of width 1.
    const score: Score = {
      name: "gat",
      dense: (query, key) => squeeze(leakyRelu(add(unsqueeze(query, -2), unsqueeze(key, -3)), { slope: 0.2 }), -1),
      lower: (query, key) => ({ form: "additive", query, key, vector: tensor([1]), activation: "leakyRelu", negativeSlope: 0.2 }),
    };
    const asDense = (module: GATConv, x: Tensor) => {
      const h = transpose(reshape(module.lin.forward(x), [N, heads, out]), 0, 1); // [heads, N, out]
      const term = (att: Tensor) => matmul(h, reshape(att, [heads, out, 1]));
      const y = attention(term(module.att_dst), term(module.att_src), h, { score });
      return add(reshape(transpose(y, 0, 1), [N, heads * out]), module.bias!);
    };
    const x = randomTensor([N, 4], 1);
    const parameters = Object.keys(layer.stateDict());
    const gradients = (run: (module: GATConv, input: Tensor) => Tensor) =>
      grad((at: Tensor[]) => {
        const values = Object.fromEntries(parameters.map((name, i) => [name, at[i + 1]!]));
        const y = functionalCall(layer, values, () => run(layer, at[0]!));
        return sum(mul(y, randomTensor(y.shape, 9)));
      })([x, ...parameters.map((name) => layer.stateDict()[name]!)]);
    expectClose(layer.forward(x, complete), asDense(layer, x), 1e-6);
    const [sparse, dense] = [gradients((module, input) => module.forward(input, complete)), gradients(asDense)];
    sparse.forEach((gradient, i) => expectClose(gradient, dense[i]!, 1e-6));
  });
});

describe("a nearly complete graph", () => {
  const N = 70;
  // Two in three pairs, and a node that sees nobody.
  const pairs = Array.from({ length: N * N }, (_, e) => [e % N, Math.floor(e / N)] as const).filter(
    ([source, target]) => (source * 7 + target * 5) % 3 !== 0 && target !== 11,
  );
  const dense = Graph.fromEdges(
    edgesOf(
      pairs.map(([source]) => source),
      pairs.map(([, target]) => target),
    ),
    { nodeCount: N },
  );
  const sparse = Graph.fromEdges(edgesOf([0, 1], [1, 2]), { nodeCount: N });

  it.each([
    ["GATConv", new GATConv(5, 3, { key: randomKey(1), heads: 2, addSelfLoops: false })],
    ["GATConv with loops, mean of heads", new GATConv(5, 3, { key: randomKey(1), heads: 2, concat: false })],
    ["GATv2Conv", new GATv2Conv(5, 3, { key: randomKey(2), heads: 2, addSelfLoops: false })],
    ["GraphTransformerConv", new GraphTransformerConv(5, 4, { key: randomKey(3), heads: 2, beta: true })],
  ])("takes %s the dense way, with the values and gradients of the edges", (_, layer) => {
    const x = randomTensor([N, 5], 1);
    const run = (forward: (input: Tensor) => Tensor) => {
      const y = forward(x);
      return [y, grad((input: Tensor) => sum(mul(forward(input), randomTensor(y.shape, 9))))(x)] as const;
    };
    const [y, dx] = run((input) => layer.forward(input, dense));
    const [expected, dExpected] = run((input) => layer.attend(input, dense).output);
    expectClose(y, expected, 2e-6);
    expectClose(dx, dExpected, 2e-5);
    // Another sum, so other bits: the dense way was taken.
    expect(y.toArray()).not.toEqual(expected.toArray());
    expect(layer.forward(x, sparse).toArray()).toEqual(layer.attend(x, sparse).output.toArray());
  });

  it("drops weights in training, by its key", () => {
    const layer = new GATConv(5, 3, { key: randomKey(1), heads: 2, dropoutP: 0.5 });
    const x = randomTensor([N, 5], 1);
    const at = (seed: number) => training(randomKey(seed), () => layer.forward(x, dense).toArray());
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
    expect(at(1)).not.toEqual(layer.forward(x, dense).toArray());
  });

  it("is explained", () => {
    expect(explainGraph(dense)).toMatchObject({ form: "dense", nodes: N, edges: pairs.length });
    expect(explainGraph(dense, { edgeFeatures: true })).toMatchObject({ form: "edges", reason: "edges have features" });
    expect(explainGraph(sparse)).toMatchObject({ form: "edges", reason: "fewer than 1 in 8 pairs of nodes is an edge" });
    expect(explainGraph(graph)).toMatchObject({ form: "edges", reason: "fewer than 64 nodes" });
    const [s, t] = [pairs.map(([source]) => source), pairs.map(([, target]) => target)];
    const twice = Graph.fromEdges(edgesOf([...s, s[0]!], [...t, t[0]!]), { nodeCount: N });
    expect(explainGraph(twice)).toMatchObject({ form: "edges", reason: "an edge occurs twice" });
  });
});

describe("GraphTransformerConv", () => {
  const make = (options: Partial<GraphTransformerOptions> = {}) =>
    new GraphTransformerConv(4, 3, { key: randomKey(5), heads: 2, ...options });

  it("is edge attention of three projections, plus the skip", () => {
    const x = randomTensor([5, 4], 1);
    const layer = make();
    const split = (y: Tensor) => reshape(y, [5, 2, 3]);
    const [q, k, v] = [layer.lin_query, layer.lin_key, layer.lin_value].map((lin) => split(lin.forward(x)));
    const { output, weights } = edgeAttention(q!, k!, v!, graph);
    const found = layer.attend(x, graph);
    expectClose(found.output, add(reshape(output, [5, 6]), layer.lin_skip!.forward(x)), 1e-6);
    expectClose(found.weights, weights, 1e-6);
  });

  it("adds edge features to keys and values", () => {
    const [x, features] = [randomTensor([5, 4], 1), randomTensor([6, 2], 2)];
    const layer = make({ edgeDim: 2, heads: 1, rootWeight: false });
    const rows = (lin: typeof layer.lin_query) => lin.forward(x).toArray() as number[][];
    const [q, k, v] = [layer.lin_query, layer.lin_key, layer.lin_value].map(rows);
    const e = layer.lin_edge!.forward(features).toArray() as number[][];
    const dot = (a: number[], b: number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);
    const expected = Array.from({ length: 5 }, (_, i) => {
      const incoming = [0, 1, 2, 3, 4, 5].filter((edge) => graph.targetOf(edge) === i);
      const powers = incoming.map((edge) => {
        const key = k![graph.sourceOf(edge)]!.map((value, f) => value + e[edge]![f]!);
        return Math.exp(dot(q![i]!, key) / Math.sqrt(3));
      });
      const total = powers.reduce((a, b) => a + b, 0);
      return [0, 1, 2].map((f) =>
        incoming.reduce((y, edge, n) => y + (powers[n]! / total) * (v![graph.sourceOf(edge)]![f]! + e[edge]![f]!), 0),
      );
    });
    expectClose(layer.forward(x, graph, features), expected, 1e-5);
  });

  it("has the gradients of its central differences, of x, edges and every parameter", () => {
    expectModuleGradient(make({ edgeDim: 2, beta: true }), (layer, x, features) => layer.forward(x, graph, features), [
      [5, 4],
      [6, 2],
    ]);
  });

  it("says what does not fit", () => {
    expect(() => make().forward(randomTensor([5, 4], 1), graph, randomTensor([6, 2], 1))).toThrow("edge features and edgeDim go together");
    expect(() => make({ edgeDim: 2 }).forward(randomTensor([5, 4], 1), graph, randomTensor([5, 2], 1))).toThrow(
      "GraphTransformerConv: edgeFeatures must be [edgeCount, edgeDim]; got edgeFeatures [5, 2], edgeCount 6",
    );
    expect(() => make({ beta: true, rootWeight: false })).toThrow("beta weighs the skip");
  });
});

describe("pooling", () => {
  const pair = Graph.batch([graph, Graph.fromEdges(edgesOf([0], [1]))]);
  const empty = Graph.fromEdges(edgesOf([], []), { nodeCount: 2, graphOfNode: Int32Array.of(2, 2) });

  it("takes mean, maximum and weighted sum within each graph; a graph without nodes gives zeros", () => {
    const x = randomTensor([7, 3], 1);
    const rows = x.toArray() as number[][];
    const most = (from: number, to: number) => [0, 1, 2].map((f) => Math.max(...rows.slice(from, to).map((row) => row[f]!)));
    expectClose(globalMeanPool(x, pair), stack([mean(slice(x, 0, 0, 5), 0), mean(slice(x, 0, 5), 0)]), 1e-6);
    expectClose(globalMaxPool(x, pair), [most(0, 5), most(5, 7)]);
    const { output, weights } = globalAttentionPool(x, zeros([7, 1]), pair);
    expectClose(output, globalMeanPool(x, pair), 1e-6);
    expectClose(segmentSum(weights, pair.membership.rows, 2), [[1], [1]], 1e-6);
    for (const pooled of [globalMeanPool(zeros([2, 3]), empty), globalMaxPool(zeros([2, 3]), empty)]) {
      expectClose(pooled, zeros([3, 3]));
    }
    expect((globalMaxPool(tensor([[1], [NaN], [2], [0], [0], [3], [4]]), pair).toArray() as number[][]).flat()).toEqual([NaN, 4]);
  });

  it("has the gradients of its central differences", () => {
    expectGradient((x) => globalMeanPool(x, pair), [[7, 3]]);
    expectGradient((x) => globalMaxPool(x, pair), [[7, 3]]);
    expectGradient(
      (x, gate) => globalAttentionPool(x, gate, pair).output,
      [
        [7, 3],
        [7, 3],
      ],
    );
  });

  it("says what does not fit", () => {
    expect(() => globalMeanPool(zeros([6, 3]), pair)).toThrow(
      "globalMeanPool: x must be [N, F], N the graph's nodes; got x [6, 3], nodes 7",
    );
    expect(() => globalAttentionPool(zeros([7, 3]), zeros([7, 2]), pair)).toThrow("gate must be [N, 1] or [N, F]");
  });
});
