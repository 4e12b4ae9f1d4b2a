// Gradients as values: grad reaches the parameters of a model through functionalCall, and nothing is changed in place.
import { grad, mean, mul, normal, randomKey, square, sub, type Tensor } from "@heed/tensor";
import { functionalCall, Linear } from "@heed/nn";

const key = randomKey(7);
const [x, y] = [normal(key.split("x"), [16, 3]), normal(key.split("y"), [16, 1])];
const model = new Linear(3, 1, { key: key.split("model") });

type Weights = Readonly<Record<string, Tensor>>;
const loss = (weights: Weights) => functionalCall(model, weights, () => mean(square(sub(model.forward(x), y))));

let weights: Weights = model.stateDict();
for (let step = 0; step <= 100; step++) {
  if (step % 50 === 0) console.log(`step ${step}: loss ${loss(weights).item().toFixed(4)}`);
  const slope = grad(loss)(weights);
  weights = Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, sub(weight, mul(slope[name]!, 0.1))]));
}
console.log(`the model itself: ${loss(model.stateDict()).item().toFixed(4)}`);
