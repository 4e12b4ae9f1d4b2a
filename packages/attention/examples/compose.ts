// Five independent choices: score, position (as a bias), mask, normaliser, and what is asked for besides the sum.
import { and, causal, padding, window } from "@heed/masks";
import { attention, explain, MultiHeadAttention } from "@heed/attention";
import { relu } from "@heed/attention/normalisers";
import { gaussian } from "@heed/scoring";
import { normal, randomKey, tensor } from "@heed/tensor";

const key = randomKey(7);
const [B, H, L, S, D] = [2, 4, 5, 5, 8];
const q = normal(key.split("q"), [B, H, L, D]);
const k = normal(key.split("k"), [B, 2, S, D]); // two key heads: queries of heads 0 and 1 share the first
const v = normal(key.split("v"), [B, 2, S, D]);

const mask = and(causal(), window(2, 0), padding([5, 3]));
const { output, weights, lse } = attention(q, k, v, { mask, softcap: 20, returns: ["weights", "lse"] });
console.log(output.shape, weights.shape, lse.shape);
console.log(weights.slice(0, 1, 2).slice(1, 0, 1).toString()); // sample 1 has three keys: the others weigh 0

// Another kernel, another normaliser, and a bias that prefers near keys.
const near = tensor(Array.from({ length: L }, (_, i) => Array.from({ length: S }, (_, j) => -Math.abs(i - j) / 2)));
console.log(attention(q, k, v, { score: gaussian({ sigma: 2 }), normaliser: relu({ divideBy: "sum" }), bias: near }).shape);
console.log(explain(q, k, v, { mask }));

// The module: projections, heads and all, with PyTorch's names.
const module = new MultiHeadAttention(32, 4, { key: key.split("module") });
const x = normal(key.split("x"), [B, L, 32]);
console.log(module.forward(x, x, x, { mask: causal() }).shape, Object.keys(module.stateDict()));
