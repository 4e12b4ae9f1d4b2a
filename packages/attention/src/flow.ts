import { HeedError, tensor, type Tensor } from "@heed/tensor";
import { mixtures, type RolloutOptions } from "./rollout.ts";

export interface FlowOptions extends RolloutOptions {
  /** Only of this token of the last layer: then the result has one row. Default: of all. */
  readonly token?: number;
}

/**
 * How much can reach each token of the last layer from each token of the input, when every weight is the capacity of a pipe: the maximum flow
 * through the layers, for every pair. The pipes are those of `attentionRollout`: weights of heads made one, and the residual connection.
 *
 * Letters: B batch, H heads, L tokens, N layers.
 * @param weights of each layer, the first one first, `[B, H, L, L]` (or `[H, L, L]`, `[L, L]`)
 * @returns `[B, L, L]` (or `[L, L]`; with `token`, one row): row i, column j is the flow from input token j to token i of the last layer, at most 1.
 * One layer gives its weights. Without gradients.
 * @throws as `attentionRollout`; {HeedError} for a token that is not there.
 *
 * By augmenting along shortest paths in level graphs. Time O((N L)² N L²) a pair of tokens at most, in practice near O(N L²), and L² pairs per
 * sample: meant for tens of tokens.
 * @see Abnar and Zuidema 2020, §3 (arXiv:2005.00928); Dinic 1970, "Algorithm for Solution of a Problem of Maximum Flow in Networks with Power
 * Estimation"
 */
export function attentionFlow(weights: readonly Tensor[], { token, ...options }: FlowOptions = {}): Tensor {
  const layers = mixtures("attentionFlow", weights, options).map((layer) => ({
    shape: layer.shape,
    values: layer.detach().toTypedArray(),
  }));
  const { shape } = layers[0];
  const L = shape.at(-1)!;
  if (token !== undefined && !(Number.isInteger(token) && token >= 0 && token < L)) {
    throw new HeedError("attentionFlow", "token must be one of the last layer's", { token, L });
  }
  const B = shape.length === 3 ? shape[0] : 1;
  const tokens = token === undefined ? Array.from({ length: L }, (_, i) => i) : [token];
  const out = new Float64Array(B * tokens.length * L);
  for (let b = 0; b < B; b++) {
    const network = networkOf(
      layers.map(({ values }) => Float64Array.from(values.subarray(b * L * L, (b + 1) * L * L))),
      L,
    );
    tokens.forEach((from, row) => {
      for (let to = 0; to < L; to++) out[(b * tokens.length + row) * L + to] = maximumFlow(network, layers.length * L + from, to);
    });
  }
  return tensor(out, { shape: [...shape.slice(0, -2), tokens.length, L], dtype: weights[0].dtype as "float32" });
}

/** Nodes are (layer, token), numbered layer · L + token, the input as layer 0. Edge e and its reverse e ^ 1 lie side by side. */
interface Network {
  readonly nodes: number;
  /** Edges by node: edges[first[node]] … edges[first[node + 1]]. */
  readonly first: Int32Array;
  readonly edges: Int32Array;
  readonly target: Int32Array;
  readonly capacity: Float64Array;
}

function networkOf(layers: readonly Float64Array[], L: number): Network {
  const nodes = (layers.length + 1) * L;
  const found: [from: number, to: number, capacity: number][] = [];
  layers.forEach((weights, layer) =>
    weights.forEach((weight, at) => {
      if (weight > 0) found.push([(layer + 1) * L + Math.floor(at / L), layer * L + (at % L), weight]);
    }),
  );
  const first = new Int32Array(nodes + 1);
  for (const [from, to] of found) {
    first[from + 1]++;
    first[to + 1]++;
  }
  for (let node = 0; node < nodes; node++) first[node + 1] += first[node];
  const [target, capacity] = [new Int32Array(2 * found.length), new Float64Array(2 * found.length)];
  const edges = new Int32Array(2 * found.length);
  const next = first.slice();
  found.forEach(([from, to, amount], i) => {
    target[2 * i] = to;
    target[2 * i + 1] = from;
    capacity[2 * i] = amount;
    edges[next[from]++] = 2 * i;
    edges[next[to]++] = 2 * i + 1;
  });
  return { nodes, first, edges, target, capacity };
}

function maximumFlow({ nodes, first, edges, target, capacity }: Network, source: number, sink: number): number {
  const left = capacity.slice();
  const level = new Int32Array(nodes);
  const at = new Int32Array(nodes);
  const queue = new Int32Array(nodes);

  /** How far each node is from the source along edges with room; whether the sink is reached. */
  const layOut = (): boolean => {
    level.fill(-1);
    level[source] = 0;
    queue[0] = source;
    for (let head = 0, tail = 1; head < tail; head++) {
      const node = queue[head];
      for (let e = first[node]; e < first[node + 1]; e++) {
        const to = target[edges[e]];
        if (left[edges[e]] <= 0 || level[to] >= 0) continue;
        level[to] = level[node] + 1;
        queue[tail++] = to;
      }
    }
    return level[sink] >= 0;
  };
  /** Sends up to `most` from a node on; each edge that leads nowhere is looked at once per layout. */
  const send = (node: number, most: number): number => {
    if (node === sink) return most;
    let sent = 0;
    for (; at[node] < first[node + 1]; at[node]++) {
      const edge = edges[at[node]];
      const to = target[edge];
      if (left[edge] <= 0 || level[to] !== level[node] + 1) continue;
      const flow = send(to, Math.min(most - sent, left[edge]));
      left[edge] -= flow;
      left[edge ^ 1] += flow;
      sent += flow;
      if (sent >= most) return sent;
    }
    return sent;
  };

  let total = 0;
  while (layOut()) {
    at.set(first.subarray(0, nodes));
    const flow = send(source, Infinity);
    if (flow <= 0) break;
    total += flow;
  }
  return total;
}
