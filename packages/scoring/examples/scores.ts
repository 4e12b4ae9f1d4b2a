// How well do three keys answer one query? The same question to every score, and a score of one's own.
import { abs, neg, randomKey, sub, sum, tensor, unsqueeze, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { additive, bilinear, dot, gaussian, initAdditive, scaledDot } from "@heed/scoring";

const query = tensor([[0.8, 0.3]]); // [L, D]
const key = tensor([
  [1.0, 0.5],
  [0.8, 1.2],
  [0.2, 1.5],
]); // [S, D]

/** Minus the sum of absolute differences. A stranger's score is as good as ours: attention takes anything of this shape. */
const manhattan: Score = {
  name: "manhattan",
  dense: (q: Tensor, k: Tensor) => neg(sum(abs(sub(unsqueeze(q, -2), unsqueeze(k, -3))), -1)),
  lower: () => {
    throw new Error("no kernel computes this one: only the dense definition");
  },
};

const scores: readonly Score[] = [
  dot(), // ⟨q, k⟩
  scaledDot(), // ⟨q, k⟩ / √D
  scaledDot({ scale: 2 }),
  gaussian({ sigma: 0.5 }), // −|q − k|² / 2σ²
  bilinear({
    weight: tensor([
      [1, 0],
      [0, -1],
    ]),
  }), // qᵀ W k
  additive(initAdditive(randomKey(7), { queryDim: 2, keyDim: 2, hiddenDim: 4 })), // vᵀ tanh(W q + U k)
  manhattan,
];
for (const score of scores) {
  const values = Array.from(score.dense(query, key).toTypedArray(), (value) => value.toFixed(2).padStart(6));
  console.log(score.name.padEnd(10), values.join(" "), Object.keys(score.parameters?.() ?? {}).join(", "));
}
