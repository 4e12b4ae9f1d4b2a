// Scores and masks of one's own, as expressions: compiled into the streaming kernel, forward and backward.
import { attention, explain } from "@heed/attention";
import { abs, exp, maskMod, scoreMod, select, table } from "@heed/attention/expressions";
import { normal, randomKey, sum, tensor } from "@heed/tensor";

const [H, L] = [4, 12];
const query = normal(randomKey(7), [1, H, L, 8]);

// Scores fade with distance, each head at a rate that it learns; across documents they cost 2.
const rates = tensor([0.5, 0.25, 0.125, 0.0625], { requiresGrad: true });
const ids = table(tensor(Int32Array.from({ length: L }, (_, j) => Math.floor(j / 5))));
const fading = scoreMod(({ score, h, position, j }) => {
  const faded = score.mul(exp(abs(j.sub(position)).mul(table(rates).at(h)).neg()));
  return select(ids.at(position).equal(ids.at(j)), faded, faded.sub(2));
});
const near = maskMod(({ position, j }) => j.lessEqual(position).and(position.sub(j).less(6)));

console.log(String(fading.expression));
console.log(explain(query, query, query, { scoreMod: fading, mask: near }).reason);
sum(attention(query, query, query, { scoreMod: fading, mask: near, strict: true })).backward();
console.log(rates.grad!.shape); // [4]
