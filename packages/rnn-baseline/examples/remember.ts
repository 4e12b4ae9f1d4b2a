// An LSTM learns to name the first of 10 symbols, after it has read the other 9.
import { fit, AdamW, crossEntropy, Embedding, Linear, Module, predict } from "@heed/nn";
import { LSTM } from "@heed/rnn-baseline";
import { argmax, equal, mean, cast, randomIntegers, randomKey, slice, squeeze, type RandomKey, type Tensor } from "@heed/tensor";

const [symbols, length] = [4, 10];

class Memory extends Module {
  readonly embed: Embedding;
  readonly lstm: LSTM;
  readonly head: Linear;

  constructor(key: RandomKey) {
    super();
    this.embed = new Embedding(symbols, 16, { key: key.split("embed") });
    this.lstm = new LSTM(16, 32, { key: key.split("lstm") });
    this.head = new Linear(32, symbols, { key: key.split("head") });
  }

  forward(ids: Tensor): Tensor {
    const { h } = this.lstm.forward(this.embed.forward(ids));
    return this.head.forward(this.lstm.lastHidden(h));
  }
}

const key = randomKey(7);
const batch = (n: number): { ids: Tensor; first: Tensor } => {
  const ids = randomIntegers(key.split("data").split(n), [64, length], 0, symbols);
  return { ids, first: squeeze(slice(ids, 1, 0, 1), 1) };
};
const model = new Memory(key.split("model"));
await fit(model, {
  key,
  batches: Array.from({ length: 300 }, (_, n) => batch(n)),
  optimiser: new AdamW(model.parameters(), { lr: 0.02 }),
  clipNorm: 1,
  loss: ({ ids, first }) => crossEntropy(model.forward(ids), first),
  onStep: ({ step, loss }) => {
    if (step % 100 === 99) console.log(`step ${step + 1}: loss ${loss.toFixed(4)}`);
  },
});

const { ids, first } = batch(-1);
const accuracy = mean(cast(equal(argmax(predict(model, ids), -1), first), "float32")).item();
console.log(`first symbol named right: ${(100 * accuracy).toFixed(0)} %`);
