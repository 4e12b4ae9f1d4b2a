import type { Graph } from "./graph.ts";

/** Pairs that the dense kernel does in the time of one edge, about. */
const PAIRS_PER_EDGE = 8;
/** Below, either way takes microseconds; above, the mask takes more than 64 MiB. */
const LEAST_NODES = 64;
const MOST_NODES = 8192;

export interface GraphExplanation {
  /** `edges`: kernels that walk the edges of each target. `dense`: the attention of `@heed/attention`, under the graph as mask. */
  readonly form: "edges" | "dense";
  /** Why. */
  readonly reason: string;
  readonly nodes: number;
  readonly edges: number;
  /** Edges as a share of all pairs of nodes. */
  readonly density: number;
}

/**
 * How the layers compute attention on a graph: along its edges, or, where it is nearly complete, as dense attention under a mask, which does
 * several pairs in the time of one edge. Results agree up to rounding; `attend`, which gives weights per edge, walks the edges always.
 * Time O(1); where it may be dense, O(N²) once per graph for the mask, N nodes. A graph without nodes is walked.
 * @param edgeFeatures whether edges have features: then they are walked
 * @see Elementary: a threshold of the density
 */
export function explainGraph(graph: Graph, { edgeFeatures = false }: { readonly edgeFeatures?: boolean } = {}): GraphExplanation {
  const { nodeCount: nodes, edgeCount: edges } = graph;
  const density = nodes === 0 ? 0 : edges / (nodes * nodes);
  const facts = { nodes, edges, density };
  const walk = (reason: string): GraphExplanation => ({ form: "edges", reason, ...facts });
  if (edgeFeatures) return walk("edges have features");
  if (nodes < LEAST_NODES) return walk(`fewer than ${LEAST_NODES} nodes`);
  if (edges * PAIRS_PER_EDGE < nodes * nodes) return walk(`fewer than 1 in ${PAIRS_PER_EDGE} pairs of nodes is an edge`);
  if (nodes > MOST_NODES) return walk(`a mask of more than ${MOST_NODES.toLocaleString("en-US")} nodes squared would be large`);
  if (graph.denseMask === null) return walk("an edge occurs twice");
  return { form: "dense", reason: `at least 1 in ${PAIRS_PER_EDGE} pairs of nodes is an edge`, ...facts };
}
