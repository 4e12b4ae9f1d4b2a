import { DTypeError, HeedError, ShapeError, Tensor, tensor } from "@heed/tensor";

/**
 * A directed graph: edges from sources to targets, in the caller's order. A query is a target, its keys are the sources of
 * its incoming edges. Immutable; what is derived from the edges is computed once.
 *
 * Letters: N nodes, edgeCount edges.
 */
export class Graph {
  readonly nodeCount: number;
  /** int32 `[2, edgeCount]`: row 0 the source, row 1 the target of each edge. */
  readonly edgeIndex: Tensor;
  /** Of a batch: which graph each node belongs to, `[N]`; else absent. */
  readonly graphOfNode: Int32Array | undefined;
  readonly graphCount: number;
  #csr: Csr | undefined;
  readonly #edges: Int32Array;

  /** @internal Use `Graph.fromEdges`. */
  constructor(edges: Int32Array, nodeCount: number, graphOfNode?: Int32Array, graphCount = 1) {
    this.#edges = edges;
    this.nodeCount = nodeCount;
    this.edgeIndex = tensor(edges, { shape: [2, edges.length / 2] });
    this.graphOfNode = graphOfNode;
    this.graphCount = graphCount;
  }

  /**
   * @param edgeIndex int32 `[2, edgeCount]`
   * @param options.nodeCount default: the highest index + 1
   * @param options.graphOfNode of a disjoint union: the graph of each node, `[N]`
   * @throws {ShapeError} or {DTypeError} for another form; {HeedError} naming the first edge whose index is out of range.
   */
  static fromEdges(
    edgeIndex: Tensor,
    { nodeCount, graphOfNode }: { readonly nodeCount?: number; readonly graphOfNode?: Int32Array } = {},
  ): Graph {
    if (!(edgeIndex instanceof Tensor))
      throw new HeedError(
        "Graph",
        "edgeIndex must be a Tensor",
        { edgeIndex: typeof edgeIndex },
        "Make one: tensor(Int32Array.of(…), { shape: [2, edgeCount] }).",
      );
    if (edgeIndex.dtype !== "int32")
      throw new DTypeError("Graph", "edgeIndex must be int32", { dtype: edgeIndex.dtype }, 'Convert: cast(edgeIndex, "int32").');
    if (edgeIndex.rank !== 2 || edgeIndex.shape[0] !== 2)
      throw new ShapeError("Graph", "edgeIndex must be [2, edgeCount]", { edgeIndex: edgeIndex.shape }, "Transpose a list of pairs.");
    const edges = Int32Array.from(edgeIndex.toTypedArray());
    const count = nodeCount ?? edges.reduce((most, node) => Math.max(most, node), -1) + 1;
    if (!Number.isInteger(count) || count < 0)
      throw new HeedError("Graph", "nodeCount must be a whole number, not negative", { nodeCount: count });
    const edgeCount = edges.length / 2;
    const wrong = edges.findIndex((node) => node < 0 || node >= count);
    if (wrong >= 0) {
      const edge = wrong % edgeCount;
      throw new HeedError("Graph", `edge ${edge} names a node outside 0 … ${count - 1}`, {
        source: edges[edge],
        target: edges[edgeCount + edge],
        nodeCount: count,
      });
    }
    if (graphOfNode !== undefined && graphOfNode.length !== count)
      throw new ShapeError("Graph", "graphOfNode must have one entry per node", { graphOfNode: graphOfNode.length, nodeCount: count });
    return new Graph(edges, count, graphOfNode, graphOfNode === undefined ? 1 : graphOfNode.reduce((most, g) => Math.max(most, g), -1) + 1);
  }

  /** Several graphs as one, side by side: nodes and edges follow one another in order. */
  static batch(graphs: readonly Graph[]): Graph {
    const starts: number[] = [];
    let nodeCount = 0;
    for (const graph of graphs) {
      starts.push(nodeCount);
      nodeCount += graph.nodeCount;
    }
    const sources: number[] = [];
    const targets: number[] = [];
    const graphOfNode = new Int32Array(nodeCount);
    graphs.forEach((graph, g) => {
      for (let e = 0; e < graph.edgeCount; e++) {
        sources.push(graph.sourceOf(e) + starts[g]);
        targets.push(graph.targetOf(e) + starts[g]);
      }
      graphOfNode.fill(g, starts[g], starts[g] + graph.nodeCount);
    });
    return new Graph(Int32Array.from([...sources, ...targets]), nodeCount, graphOfNode, graphs.length);
  }

  get edgeCount(): number {
    return this.#edges.length / 2;
  }

  sourceOf(edge: number): number {
    return this.#edges[edge];
  }

  targetOf(edge: number): number {
    return this.#edges[this.edgeCount + edge];
  }

  /** Sources, int32 `[edgeCount]`. */
  get sources(): Tensor {
    return tensor(this.#edges.slice(0, this.edgeCount));
  }

  /** Targets, int32 `[edgeCount]`. */
  get targets(): Tensor {
    return tensor(this.#edges.slice(this.edgeCount));
  }

  /** The same edges without self loops, then one loop per node. */
  withSelfLoops(): Graph {
    const kept = Array.from({ length: this.edgeCount }, (_, e) => e).filter((e) => this.sourceOf(e) !== this.targetOf(e));
    const loops = Array.from({ length: this.nodeCount }, (_, i) => i);
    const edges = Int32Array.from([...kept.map((e) => this.sourceOf(e)), ...loops, ...kept.map((e) => this.targetOf(e)), ...loops]);
    return new Graph(edges, this.nodeCount, this.graphOfNode, this.graphCount);
  }

  /** Each edge in both directions, duplicates once, ordered by source, then target. */
  toUndirected(): Graph {
    const codes = new Set<number>();
    for (let e = 0; e < this.edgeCount; e++) {
      codes.add(this.sourceOf(e) * this.nodeCount + this.targetOf(e));
      codes.add(this.targetOf(e) * this.nodeCount + this.sourceOf(e));
    }
    const sorted = [...codes].sort((a, b) => a - b);
    const edges = Int32Array.from([
      ...sorted.map((code) => Math.floor(code / this.nodeCount)),
      ...sorted.map((code) => code % this.nodeCount),
    ]);
    return new Graph(edges, this.nodeCount, this.graphOfNode, this.graphCount);
  }

  /** Incoming edges by target: those of node i are `edges[offsets[i]] … edges[offsets[i + 1] − 1]`, in the caller's order. */
  toCsr(): Csr {
    if (this.#csr !== undefined) return this.#csr;
    const offsets = new Int32Array(this.nodeCount + 1);
    for (let e = 0; e < this.edgeCount; e++) offsets[this.targetOf(e) + 1]++;
    for (let i = 0; i < this.nodeCount; i++) offsets[i + 1] += offsets[i];
    const next = offsets.slice();
    const edges = new Int32Array(this.edgeCount);
    for (let e = 0; e < this.edgeCount; e++) edges[next[this.targetOf(e)]++] = e;
    return (this.#csr = { offsets, edges });
  }
}

/** Compressed rows: one row per target. */
export interface Csr {
  /** `[N + 1]` */
  readonly offsets: Int32Array;
  /** `[edgeCount]`, indices of edges */
  readonly edges: Int32Array;
}
