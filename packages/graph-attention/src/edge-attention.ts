import { add, mul, ShapeError, type Tensor } from "@heed/tensor";
import type { Graph } from "./graph.ts";
import { edgeDots, edgeSoftmax, weightedSum } from "./internal/edge-operations.ts";

export interface EdgeAttentionOptions {
  /** Added to the scores: `[edgeCount, H]`, in the order of the graph's edges. */
  readonly edgeBias?: Tensor;
  /** Default 1 / √D. */
  readonly scale?: number;
}

/**
 * Scaled dot-product attention along edges only: target i attends to the sources of its incoming edges,
 * `softmax_j(scale · q_i · k_j + bias_ij) v_j`. Equals dense attention under the mask "j → i is an edge", without an N × N array.
 *
 * Letters: N nodes, H heads, D width of a query or key, E width of a value.
 * @param query `[N, H, D]`
 * @param key `[N, H, D]`
 * @param value `[N, H, E]`
 * @returns output `[N, H, E]`, weights `[edgeCount, H]` in the order of the graph's edges. A node without incoming edges gets 0.
 * @throws {ShapeError} when N, H or D disagree.
 *
 * Time O(edgeCount · H · (D + E)), memory O(edgeCount · H).
 * @see Vaswani et al. 2017, eq. 1 (arXiv:1706.03762); along edges as in Shi et al. 2021 (arXiv:2009.03509)
 */
export function edgeAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  graph: Graph,
  { edgeBias, scale }: EdgeAttentionOptions = {},
): { output: Tensor; weights: Tensor } {
  const [N, H, D] = query.shape;
  const shapes = { query: query.shape, key: key.shape, value: value.shape, nodes: graph.nodeCount };
  if (
    query.rank !== 3 ||
    key.rank !== 3 ||
    value.rank !== 3 ||
    N !== graph.nodeCount ||
    key.shape[0] !== N ||
    value.shape[0] !== N ||
    key.shape[1] !== H ||
    value.shape[1] !== H ||
    key.shape[2] !== D
  ) {
    throw new ShapeError("edgeAttention", "query and key must be [N, H, D] and value [N, H, E], N the graph's nodes", shapes);
  }
  if (edgeBias !== undefined && (edgeBias.rank !== 2 || edgeBias.shape[0] !== graph.edgeCount || edgeBias.shape[1] !== H)) {
    throw new ShapeError("edgeAttention", "edgeBias must be [edgeCount, H]", { edgeBias: edgeBias.shape, edgeCount: graph.edgeCount, H });
  }
  const dots = mul(edgeDots(query, key, graph.incidence), scale ?? (D === 0 ? 1 : 1 / Math.sqrt(D)));
  const weights = edgeSoftmax(edgeBias === undefined ? dots : add(dots, edgeBias), graph.incidence);
  return { output: weightedSum(value, weights, graph.incidence), weights };
}
