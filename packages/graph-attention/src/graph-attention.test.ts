import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attention } from "@heed/attention";
import { randomKey, tensor, transpose, unsqueeze, type Tensor } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { edgeAttention, GATConv, GATv2Conv, Graph, segmentMean, segmentSoftmax, segmentSum } from "./index.ts";

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

  it("says what does not fit", () => {
    expect(() => make().forward(randomTensor([4, 4], 1), graph)).toThrow(/x must be \[N, inFeatures\].*x \[4, 4\], nodes 5/);
    expect(() => make({ heads: 0 })).toThrow(/heads must be a whole number/);
  });
});
