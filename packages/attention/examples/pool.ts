// A bag of instances is positive if one of them is: which one, a gated pooling finds without being told (Ilse et al. 2018).
import { SaliencyPooling } from "@heed/attention";
import { padding } from "@heed/masks";
import { AdamW, binaryCrossEntropyWithLogits, fit, Linear, Module } from "@heed/nn";
import {
  argmax,
  bernoulli,
  cast,
  noGrad,
  normal,
  randomIntegers,
  randomKey,
  reshape,
  tensor,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";

const [B, S, E] = [32, 8, 6];
const lengths = Array.from({ length: B }, (_, b) => 4 + (b % 5)); // bags of 4 to 8 instances

class Bags extends Module {
  readonly pool: SaliencyPooling;
  readonly head: Linear;
  constructor(key: RandomKey) {
    super();
    this.pool = new SaliencyPooling(E, { key: key.split("pool"), hiddenDim: 12 });
    this.head = new Linear(E, 1, { key: key.split("head") });
  }
  forward(x: Tensor): { logits: Tensor; weights: Tensor } {
    const { output, weights } = this.pool.forward(x, { mask: padding(lengths), returnWeights: true });
    return { logits: reshape(this.head.forward(output), [B]), weights };
  }
}

/** Noise, and in half of the bags one instance among the first four whose first feature stands out. */
function batch(key: RandomKey) {
  const x = normal(key.split("x"), [B, S, E]);
  const positive = bernoulli(key.split("y"), 0.5, [B]);
  const where = randomIntegers(key.split("where"), [B], 0, 4);
  const [values, places, labels] = [x.toTypedArray(), where.toTypedArray(), cast(positive, "float32")];
  labels.toTypedArray().forEach((label, b) => (values[(b * S + places[b]!) * E]! += 5 * label));
  return { x: tensor(values as Float32Array, { shape: [B, S, E] }), labels, where };
}

const key = randomKey(7);
const model = new Bags(key.split("model"));
const { losses } = await fit(model, {
  optimiser: new AdamW(model.parameters(), { lr: 1e-2 }),
  key: key.split("training"),
  batches: Array.from({ length: 300 }, (_, step) => batch(key.split(step))),
  loss: ({ x, labels }) => binaryCrossEntropyWithLogits(model.forward(x).logits, labels),
});
const test = batch(key.split("test"));
const { weights } = noGrad(() => model.forward(test.x));
const [found, wanted, label] = [argmax(weights, -1), test.where, test.labels].map((each) => each.toTypedArray());
const positive = [...label!.keys()].filter((b) => label![b] === 1);
const right = positive.filter((b) => found![b] === wanted![b]).length;
console.log(
  `loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}; the right instance in ${right} of ${positive.length} positive bags`,
);
console.log(`weights of the first three bags\n${weights.slice(0, 0, 3).toString()}`);
