// What a model attends to: rows of weights without L × S, and where its last layer's tokens come from.
import { attentionFlow, attentionRollout, mergeByLse, MultiHeadAttention, attention } from "@heed/attention";
import { causal } from "@heed/masks";
import { normal, randomKey, slice, type Tensor } from "@heed/tensor";

const key = randomKey(7);
const layers = [1, 2, 3].map((i) => new MultiHeadAttention(16, 2, { key: key.split(i) }));
let x: Tensor = normal(key.split("x"), [1, 6, 16]);

const weights: Tensor[] = [];
for (const layer of layers) {
  const result = layer.forward(x, x, x, { mask: causal(), returnWeights: true });
  weights.push(result.weights); // [B, H, L, L]
  x = x.add(result.output);
}
const show = (title: string, rows: Tensor) => console.log(`${title}\n${rows.toString()}`);
show("head 1, queries 4 and 5, of the first layer", layers[0]!.weightsOf(x, x, { mask: causal(), head: 1, queries: [4, 6] }));
show("rollout: where token 5 comes from", slice(attentionRollout(weights), 1, 5, 6));
show("flow: how much can reach it", attentionFlow(weights, { token: 5 }));

// Keys in two halves, wherever they lie: the same as all at once.
const [q, k, v] = ["q", "k", "v"].map((name) => normal(key.split(name), [2, 6, 8])) as [Tensor, Tensor, Tensor];
const half = (from: number, to: number) => attention(q, slice(k, 1, from, to), slice(v, 1, from, to), { returns: ["lse"] });
show("merged", slice(mergeByLse([half(0, 2), half(2, 6)]).output, 1, 0, 1));
show("whole", slice(attention(q, k, v), 1, 0, 1));
