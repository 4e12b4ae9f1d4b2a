// How well do three keys answer one query? The same question to every score, and a score of one's own.
import { mul, neg, randomKey, square, sub, sum, tensor, unsqueeze } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { additive, bilinear, cosine, dot, gaussian, initAdditive, scaledDot } from "@heed/scoring";

const query = tensor([[0.8, 0.3]]); // [L, D]
const key = tensor([
  [1.0, 0.5],
  [0.8, 1.2],
  [0.2, 1.5],
]); // [S, D]

/** A score of one's own: distances with a weight per feature, −Σ ((q − k) · w)². As an operand form it runs in the kernels of attention. */
const w = tensor([2, 0.5]);
const mahalanobis: Score = {
  name: "mahalanobis",
  dense: (q, k) => neg(sum(square(mul(sub(unsqueeze(q, -2), unsqueeze(k, -3)), w)), -1)),
  lower: (q, k) => ({ form: "distance", query: mul(q, w), key: mul(k, w), scale: -1 }),
  parameters: () => ({ w }),
};

const scores: readonly Score[] = [
  dot(), // ⟨q, k⟩
  scaledDot(), // ⟨q, k⟩ / √D
  scaledDot({ scale: 2 }),
  cosine({ temperature: 0.5 }), // ⟨q, k⟩ / |q| |k| temperature
  gaussian({ sigma: 0.5 }), // −|q − k|² / 2σ²
  bilinear({
    weight: tensor([
      [1, 0],
      [0, -1],
    ]),
  }), // qᵀ W k
  additive(initAdditive(randomKey(7), { queryDim: 2, keyDim: 2, hiddenDim: 4 })), // vᵀ tanh(W q + U k)
  mahalanobis,
];
for (const score of scores) {
  const values = Array.from(score.dense(query, key).toTypedArray(), (value) => value.toFixed(2).padStart(6));
  console.log(score.name.padEnd(12), values.join(" "), Object.keys(score.parameters?.() ?? {}).join(", "));
}
