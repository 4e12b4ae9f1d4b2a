import { DTypeError, HeedError, keep, ShapeError, Tensor, tensor } from "@heed/tensor";
import { groupedBy, Incidence } from "./internal/incidence.ts";

/**
 * A directed graph: edges from sources to targets, in the caller's order. A query is a target, its keys are the sources of
 * its incoming edges. Immutable; what is derived from the edges is computed once.
 *
 * Letters: N nodes, edgeCount edges. Either may be 0. Time and memory O(N + edgeCount), a sort more for `toUndirected`.
 * @see PyTorch Geometric's `Data`, whose `edge_index` this is
 */
export class Graph {
  readonly nodeCount: number;
  /** int32 `[2, edgeCount]`: row 0 the source, row 1 the target of each edge. */
  readonly edgeIndex: Tensor;
  /** Of a batch: which graph each node belongs to, `[N]`; else absent. */
  readonly graphOfNode: Int32Array | undefined;
  readonly graphCount: number;
  /** @internal Rows are targets, columns sources. */
  readonly incidence: Incidence;
  #csr: Csr | undefined;
  #looped: Graph | undefined;
  #membership: Incidence | undefined;
  #ordered: { graph: Graph; edges: Tensor; places: Tensor } | undefined;
  #denseMask: Tensor | null | undefined;
  readonly #edges: Int32Array;

  /** @internal Use `Graph.fromEdges`. */
  constructor(edges: Int32Array, nodeCount: number, graphOfNode?: Int32Array, graphCount = 1) {
    this.#edges = edges;
    this.nodeCount = nodeCount;
    const count = edges.length / 2;
    this.edgeIndex = keep(tensor(edges, { shape: [2, count] }));
    this.incidence = new Incidence(edges.subarray(count), edges.subarray(0, count), nodeCount, nodeCount);
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
    const nodeCount = graphs.reduce((sum, graph) => sum + graph.nodeCount, 0);
    const edgeCount = graphs.reduce((sum, graph) => sum + graph.edgeCount, 0);
    const edges = new Int32Array(2 * edgeCount);
    const graphOfNode = new Int32Array(nodeCount);
    let [node, edge] = [0, 0];
    graphs.forEach((graph, g) => {
      for (let e = 0; e < graph.edgeCount; e++, edge++) {
        edges[edge] = graph.sourceOf(e) + node;
        edges[edgeCount + edge] = graph.targetOf(e) + node;
      }
      graphOfNode.fill(g, node, node + graph.nodeCount);
      node += graph.nodeCount;
    });
    return new Graph(edges, nodeCount, graphOfNode, graphs.length);
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
    return this.incidence.columns;
  }

  /** Targets, int32 `[edgeCount]`. */
  get targets(): Tensor {
    return this.incidence.rows;
  }

  /** @internal Rows are graphs, "edges" their nodes. */
  get membership(): Incidence {
    const nodes = Int32Array.from({ length: this.nodeCount }, (_, i) => i);
    const graphs = this.graphOfNode ?? new Int32Array(this.nodeCount);
    return (this.#membership ??= new Incidence(graphs, nodes, this.graphCount, this.nodeCount));
  }

  /** The same edges without self loops, then one loop per node. Made once. */
  withSelfLoops(): Graph {
    if (this.#looped !== undefined) return this.#looped;
    let kept = 0;
    for (let e = 0; e < this.edgeCount; e++) if (this.sourceOf(e) !== this.targetOf(e)) kept++;
    const count = kept + this.nodeCount;
    const edges = new Int32Array(2 * count);
    for (let e = 0, at = 0; e < this.edgeCount; e++) {
      const [source, target] = [this.sourceOf(e), this.targetOf(e)];
      if (source === target) continue;
      edges[at] = source;
      edges[count + at++] = target;
    }
    for (let i = 0; i < this.nodeCount; i++) edges[kept + i] = edges[count + kept + i] = i;
    return (this.#looped = new Graph(edges, this.nodeCount, this.graphOfNode, this.graphCount));
  }

  /**
   * @internal The same edges ordered by target: what belongs to the edges of one target then lies side by side. With the caller's number of each
   * edge, and the place of each of the caller's edges.
   */
  byTarget(): { graph: Graph; edges: Tensor; places: Tensor } {
    if (this.#ordered !== undefined) return this.#ordered;
    const { edges } = this.toCsr();
    const places = new Int32Array(edges.length);
    edges.forEach((edge, place) => (places[edge] = place));
    const both = new Int32Array(2 * edges.length);
    edges.forEach((edge, place) => {
      both[place] = this.sourceOf(edge);
      both[edges.length + place] = this.targetOf(edge);
    });
    const graph = new Graph(both, this.nodeCount, this.graphOfNode, this.graphCount);
    return (this.#ordered = { graph, edges: keep(tensor(edges)), places: keep(tensor(places)) });
  }

  /**
   * @internal Bool `[N, N]`, true where the row's node has an edge from the column's; `null` when an edge occurs twice, which a mask cannot say. N²
   * bytes, made once.
   */
  get denseMask(): Tensor | null {
    if (this.#denseMask !== undefined) return this.#denseMask;
    const N = this.nodeCount;
    const bits = new Uint8Array(N * N);
    for (let e = 0; e < this.edgeCount; e++) {
      const at = this.targetOf(e) * N + this.sourceOf(e);
      if (bits[at]++ > 0) return (this.#denseMask = null);
    }
    return (this.#denseMask = keep(tensor(bits, { shape: [N, N], dtype: "bool" })));
  }

  /** Each edge in both directions, duplicates once, ordered by source, then target. */
  toUndirected(): Graph {
    const N = this.nodeCount;
    const codes = new Float64Array(2 * this.edgeCount);
    for (let e = 0; e < this.edgeCount; e++) {
      codes[2 * e] = this.sourceOf(e) * N + this.targetOf(e);
      codes[2 * e + 1] = this.targetOf(e) * N + this.sourceOf(e);
    }
    const each = codes.sort().filter((code, i) => i === 0 || code !== codes[i - 1]);
    const edges = new Int32Array(2 * each.length);
    each.forEach((code, e) => {
      edges[e] = Math.floor(code / N);
      edges[each.length + e] = code % N;
    });
    return new Graph(edges, N, this.graphOfNode, this.graphCount);
  }

  /** Incoming edges by target: those of node i are `edges[offsets[i]] … edges[offsets[i + 1] − 1]`, in the caller's order. */
  toCsr(): Csr {
    if (this.#csr !== undefined) return this.#csr;
    const { offsets, edges } = groupedBy(this.#edges.subarray(this.edgeCount), this.nodeCount);
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
