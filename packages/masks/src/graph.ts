import { DTypeError, HeedError, ShapeError, type Tensor } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";
import { requireSamples } from "./internal/numbers.ts";

/**
 * Nodes see their neighbours: query i may see key j if there is an edge from j to i. A query stands at node i + queryOffset; one that is no node, or
 * has no incoming edge, sees nothing. Repeated edges count once.
 *
 * Letters: E edges, N nodes.
 * @param edgeIndex int32 `[2, E]`, row 0 the sources, row 1 the targets; or one per sample
 * @param options.selfLoops every node that is a key sees itself too. Default false
 * @throws {DTypeError} {ShapeError} for another tensor; {HeedError} for a negative node; {ShapeError} when (in use) a source is no key, or there is
 * not one graph per sample.
 *
 * Time O(in-degree) a row, and O(E log E + N) once. Numbers per edge, or scores of edges, are `@heed/graph-attention`'s.
 * @see Veličković et al. 2018 (arXiv:1710.10903)
 */
export function graph(edgeIndex: Tensor | readonly Tensor[], { selfLoops = false }: { readonly selfLoops?: boolean } = {}): DrawableMask {
  const graphs = (Array.isArray(edgeIndex) ? (edgeIndex as readonly Tensor[]) : [edgeIndex as Tensor]).map(incoming);
  const samples = graphs.length === 1 ? undefined : graphs.length;
  return intervalMask("graph", { samples }, (context) => {
    requireSamples("graph", "graph", { graphs: samples }, context);
    const { S } = context;
    for (const { nodes } of graphs) {
      if (nodes > S)
        throw new ShapeError("graph", "sources of edges must be keys", { source: nodes - 1, "keys S": S }, "Pass a key for every node.");
    }
    return {
      batches: Math.max(samples ?? 1, positionalBatches(context)),
      heads: 1,
      fill: (b, _h, first, count, into) => {
        const { starts, sources } = graphs[samples === undefined ? 0 : b];
        const position = first + offsetOf(context, b);
        for (let p = position; p < position + count; p++) {
          let own = selfLoops && p >= 0 && p < S ? p : Infinity;
          const end = p >= 0 && p + 1 < starts.length ? starts[p + 1] : 0;
          for (let edge = end === 0 ? 0 : starts[p]; edge < end; edge++) {
            const j = sources[edge];
            if (own <= j) {
              into.push(own, own + 1);
              own = Infinity;
            }
            into.push(j, j + 1);
          }
          if (own !== Infinity) into.push(own, own + 1);
          into.endRow();
        }
      },
    };
  });
}

interface Incoming {
  /** One more than the last source. */
  readonly nodes: number;
  /** Target t has the sources `sources[starts[t]]` up to `sources[starts[t + 1]]`, ascending. */
  readonly starts: Int32Array;
  readonly sources: Int32Array;
}

function incoming(edgeIndex: Tensor): Incoming {
  if (edgeIndex.dtype !== "int32") throw new DTypeError("graph", "edgeIndex must be int32", { edgeIndex: edgeIndex.dtype });
  if (edgeIndex.rank !== 2 || edgeIndex.shape[0] !== 2)
    throw new ShapeError("graph", "edgeIndex must be [2, E]", { edgeIndex: edgeIndex.shape }, "Row 0 holds sources, row 1 targets.");
  const E = edgeIndex.shape[1];
  const ends = edgeIndex.toTypedArray() as Int32Array;
  let [nodes, targets] = [0, 0];
  for (let edge = 0; edge < E; edge++) {
    const [source, target] = [ends[edge], ends[E + edge]];
    if (source < 0 || target < 0) throw new HeedError("graph", "nodes are numbers from 0 on", { edge, source, target });
    nodes = Math.max(nodes, source + 1);
    targets = Math.max(targets, target + 1);
  }
  const starts = new Int32Array(targets + 1);
  for (let edge = 0; edge < E; edge++) starts[ends[E + edge] + 1]++;
  for (let t = 0; t < targets; t++) starts[t + 1] += starts[t];
  const next = starts.slice();
  const sources = new Int32Array(E);
  for (let edge = 0; edge < E; edge++) sources[next[ends[E + edge]]++] = ends[edge];
  for (let t = 0; t < targets; t++) sources.subarray(starts[t], starts[t + 1]).sort();
  return { nodes, starts, sources };
}
