import { viewsOf } from "@heed/kernels";
import { indexSelect, mul, reshape, ShapeError, tensor, where, type Tensor } from "@heed/tensor";
import { computeOne, packed, requireReal } from "@heed/tensor/operation";
import type { Graph } from "./graph.ts";
import { edgeSoftmax, rowSum } from "./internal/edge-operations.ts";

/**
 * The mean of each graph's nodes: x `[N, F]` → `[graphs, F]`; zeros for a graph without nodes.
 *
 * Letters: N nodes, F features. Time O(N F).
 * @throws {ShapeError} when x has not one row per node.
 * @see PyTorch Geometric's `global_mean_pool`
 */
export function globalMeanPool(x: Tensor, graph: Graph): Tensor {
  requireNodes("globalMeanPool", x, graph);
  const { membership } = graph;
  const sizes = new Float64Array(graph.graphCount);
  for (const g of membership.rows.toTypedArray()) sizes[g]++;
  const shares = tensor(
    sizes.map((size) => 1 / Math.max(1, size)),
    { shape: [graph.graphCount, 1], dtype: x.dtype },
  );
  return mul(rowSum(x, membership), shares);
}

/**
 * The greatest value of each graph's nodes, feature by feature: x `[N, F]` → `[graphs, F]`; zeros for a graph without nodes. The gradient goes to the
 * first node that has it. NaN wins.
 *
 * Letters: N nodes, F features. Time O(N F).
 * @throws {ShapeError} when x has not one row per node.
 * @see PyTorch Geometric's `global_max_pool`
 */
export function globalMaxPool(x: Tensor, graph: Graph): Tensor {
  requireNodes("globalMaxPool", x, graph);
  const dtype = requireReal("globalMaxPool", x.dtype);
  const [N, F] = x.shape;
  const graphs = graph.graphCount;
  const { rows } = graph.membership;
  // Which node each value comes from; −1 where a graph has none.
  const winners = computeOne("globalMaxPool", [packed(x.detach()), rows], [graphs, F], "int32", ([from, of], to) => {
    const views = viewsOf(dtype);
    const [real, ints] = [views.real(), views.i32()];
    const [at, best] = [from >>> views.shift, to >>> 2];
    ints.fill(-1, best, best + graphs * F);
    for (let i = 0; i < N; i++) {
      const row = best + ints[(of >>> 2) + i] * F;
      for (let f = 0; f < F; f++) {
        const value = real[at + i * F + f];
        const most = ints[row + f] < 0 ? -Infinity : real[at + ints[row + f] * F + f];
        if (ints[row + f] < 0 || value > most || (Number.isNaN(value) && !Number.isNaN(most))) ints[row + f] = i;
      }
    }
  });
  const places = Int32Array.from(winners.toTypedArray(), (node, k) => (node < 0 ? N * F : node * F + (k % F)));
  return reshape(pick(reshape(x, [N * F]), places), [graphs, F]);
}

/** `x[at]`, 0 where `at` is the length of x: a vector. */
function pick(x: Tensor, at: Int32Array): Tensor {
  const n = x.shape[0];
  const outside = tensor(
    Uint8Array.from(at, (k) => Number(k === n)),
    { dtype: "bool" },
  );
  if (n === 0) return tensor(new Float64Array(at.length), { dtype: x.dtype });
  return where(outside, 0, indexSelect(x, tensor(at.map((k) => Math.min(k, n - 1)))));
}

/**
 * Attention pooling: the sum of each graph's nodes, weighted by the softmax of their gates within the graph. Zeros for a graph without nodes.
 *
 * Letters: N nodes, F features. Time O(N F).
 * @param x `[N, F]`
 * @param gate `[N, 1]`, or `[N, F]` for a weight of each feature; such as `linear.forward(x)`
 * @returns output `[graphs, F]`, and the weights in the shape of the gate
 * @throws {ShapeError} when x or gate do not fit.
 * @see Li et al. 2016 (arXiv:1511.05493), eq. 7
 */
export function globalAttentionPool(x: Tensor, gate: Tensor, graph: Graph): { output: Tensor; weights: Tensor } {
  requireNodes("globalAttentionPool", x, graph);
  if (gate.rank !== 2 || gate.shape[0] !== x.shape[0] || (gate.shape[1] !== 1 && gate.shape[1] !== x.shape[1])) {
    throw new ShapeError("globalAttentionPool", "gate must be [N, 1] or [N, F]", { gate: gate.shape, x: x.shape });
  }
  const weights = edgeSoftmax(gate, graph.membership);
  return { output: rowSum(mul(weights, x), graph.membership), weights };
}

function requireNodes(where: string, x: Tensor, graph: Graph): void {
  if (x.rank === 2 && x.shape[0] === graph.nodeCount) return;
  throw new ShapeError(where, "x must be [N, F], N the graph's nodes", { x: x.shape, nodes: graph.nodeCount });
}
