// A score of one's own: distances that learn a weight per feature, −Σ ((query − key) · w)². It says what it means (`dense`), and hands kernels the
// operands of a form that they know (`lower`), so it streams, forward and backward, as ours do; what it learns is a parameter like any other.
import { attention, explain } from "@heed/attention";
import { Adam, meanSquaredError, Parameter } from "@heed/nn";
import { mul, neg, normal, ones, randomKey, slice, square, sub, sum, unsqueeze, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";

function mahalanobis(w: Tensor): Score {
  return {
    name: "mahalanobis",
    dense: (query, key) => neg(sum(square(mul(sub(unsqueeze(query, -2), unsqueeze(key, -3)), w)), -1)),
    lower: (query, key) => ({ form: "distance", query: mul(query, w), key: mul(key, w), scale: -1 }),
    parameters: () => ({ w }),
  };
}

// Values depend on the first of four features alone: the others should come to weigh little.
const key = randomKey(7);
const [S, D] = [256, 4];
const places = normal(key.split("keys"), [S, D]);
const values = square(slice(places, -1, 0, 1));
const queries = normal(key.split("queries"), [64, D]);
const wanted = square(slice(queries, -1, 0, 1));

const w = new Parameter(ones([D]));
const optimiser = new Adam([w], { lr: 0.1 });
const losses: number[] = [];
for (let step = 0; step < 100; step++) {
  const loss = meanSquaredError(attention(queries, places, values, { score: mahalanobis(w), strict: true }), wanted);
  losses.push(loss.item());
  loss.backward();
  optimiser.step();
  optimiser.zeroGrad();
}
console.log(`loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}`);
console.log("weights", Array.from(w.toTypedArray(), (value) => Math.abs(value).toFixed(2)).join(" "));
console.log(explain(queries, places, values, { score: mahalanobis(w) }));
