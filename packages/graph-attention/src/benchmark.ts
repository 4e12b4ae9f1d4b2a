import { noGrad, normal, ones, randomIntegers, randomKey, resident, reshape, scope, tensor, type Tensor } from "@heed/tensor";
import { Graph } from "./graph.ts";
import { pairAttention, weightedSum } from "./internal/edge-operations.ts";
import { Incidence } from "./internal/incidence.ts";

export interface EdgesTiming {
  readonly edges: number;
  readonly nodes: number;
  /** Nanoseconds per edge. `probe` adds up rows of 64 numbers, picked at random: no attention can read its values faster. */
  readonly probe: number;
  /** Scores, softmax and weighted sum of a GAT layer with 8 heads of 8 numbers, its projections apart. */
  readonly forward: number;
  /** Their gradients. */
  readonly backward: number;
}

const [heads, width, edgesPerNode] = [8, 8, 10] as const;

/**
 * Times attention along the edges of random graphs with ten edges per node against a probe of memory, in turns; the fastest of `samples` each.
 * @param edgeCounts such as [1e4, 1e5, 1e6]
 */
export function benchmarkEdges(edgeCounts: readonly number[], samples = 15): EdgesTiming[] {
  return edgeCounts.map((edges) => timing(edges, samples));
}

function timing(edges: number, samples: number): EdgesTiming {
  const nodes = Math.max(1, Math.round(edges / edgesPerNode));
  const key = randomKey(edges);
  const { incidence } = Graph.fromEdges(randomIntegers(key.split("edges"), [2, edges], 0, nodes), { nodeCount: nodes }).byTarget().graph;
  const leaf = (name: string, shape: readonly number[]) =>
    tensor(normal(key.split(name), shape).toTypedArray() as Float32Array, { shape, requiresGrad: true });
  const [h, source, target] = [leaf("h", [nodes, heads, width]), leaf("source", [nodes, heads]), leaf("target", [nodes, heads])];
  const cotangent = normal(key.split("cotangent"), [nodes, heads, width]);

  // All rows end in one sum, of which they are picked in the same order as the edges do.
  const picked = Int32Array.from(incidence.byRow.columns.toTypedArray());
  const one = new Incidence(new Int32Array(edges), picked, 1, nodes);
  const rows = reshape(h.detach(), [nodes, 1, heads * width]);
  const weights = ones([edges, 1]);
  const owner = resident([h, source, target, cotangent, weights, incidence.byRow.offsets, incidence.byRow.columns, incidence.byRow.slots]);

  const best = { probe: Infinity, forward: Infinity, backward: Infinity };
  const take = (name: keyof typeof best, milliseconds: number) => (best[name] = Math.min(best[name], milliseconds));
  const timed = (fn: () => void): number => {
    const start = performance.now();
    fn();
    return performance.now() - start;
  };
  const attended = (): Tensor => pairAttention({ a: target, b: source, values: h, slope: 0.2, incidence }).output;
  for (let sample = 0; sample < samples; sample++) {
    noGrad(() => {
      scope(() => take("probe", timed(() => weightedSum(rows, weights, one)))); // prettier-ignore
      scope(() => take("forward", timed(attended)));
    });
    scope(() => {
      const y = attended();
      take("backward", timed(() => y.backward(cotangent))); // prettier-ignore
    });
  }
  owner.release();
  const perEdge = (milliseconds: number) => (milliseconds * 1e6) / edges;
  return { edges, nodes, probe: perEdge(best.probe), forward: perEdge(best.forward), backward: perEdge(best.backward) };
}
