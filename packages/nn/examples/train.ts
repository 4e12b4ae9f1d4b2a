// Two half moons, told apart by a small network: fit, save, load, predict.
import {
  argmax,
  concat,
  crossEntropy,
  equal,
  mean,
  cast,
  normal,
  randomKey,
  readSafetensors,
  relu,
  tensor,
  writeSafetensors,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { AdamW, cosine, Dropout, fit, Linear, Module, predict } from "@heed/nn";

class Classifier extends Module {
  readonly hidden: Linear;
  readonly dropout = new Dropout(0.1);
  readonly out: Linear;

  constructor(key: RandomKey) {
    super();
    this.hidden = new Linear(2, 32, { key: key.split("hidden") });
    this.out = new Linear(32, 2, { key: key.split("out") });
  }

  forward(x: Tensor): Tensor {
    return this.out.forward(this.dropout.forward(relu(this.hidden.forward(x))));
  }
}

/** n points of each moon, with some noise. */
function moons(key: RandomKey, n: number) {
  const angle = Array.from({ length: n }, (_, i) => (Math.PI * i) / (n - 1));
  const upper = tensor(angle.map((a) => [Math.cos(a), Math.sin(a)]));
  const lower = tensor(angle.map((a) => [1 - Math.cos(a), 0.5 - Math.sin(a)]));
  const target = Int32Array.from({ length: 2 * n }, (_, i) => Math.floor(i / n));
  return { x: concat([upper, lower], 0).add(normal(key, [2 * n, 2], { deviation: 0.1 })), target: tensor(target) };
}

const key = randomKey(7);
const steps = 200;
const model = new Classifier(key.split("model"));
const optimiser = new AdamW(model.parameters(), { weightDecay: 0.01 });

const { losses } = await fit(model, {
  optimiser,
  key: key.split("training"),
  batches: Array.from({ length: steps }, (_, step) => moons(key.split("data").split(step), 32)),
  schedule: cosine({ base: 0.02, warmup: 10, total: steps }),
  clipNorm: 1,
  loss: ({ x, target }) => crossEntropy(model.forward(x), target),
});
console.log(`loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)} in ${losses.length} steps`);

// A checkpoint is a file of the tensors; another model takes them in.
const file = writeSafetensors(model.stateDict());
const copy = new Classifier(randomKey(0));
copy.loadStateDict(readSafetensors(file).tensors);

const test = moons(key.split("test"), 100);
const right = cast(equal(argmax(predict(copy, test.x), -1), test.target), "float32");
console.log(`${copy.parameterCount} parameters, ${file.length} bytes; ${(100 * mean(right).item()).toFixed(1)} % of new points are right`);
