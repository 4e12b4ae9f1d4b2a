// A small ResNet learns to tell horizontal stripes from vertical ones, wherever they begin.
import { AdamW, crossEntropy, fit, predict } from "@heed/nn";
import { ResNet } from "@heed/cnn-baseline";
import { argmax, cast, equal, mean, normal, randomIntegers, randomKey, tensor, type Tensor } from "@heed/tensor";

const [count, side] = [32, 16];
const key = randomKey(7);

function batch(n: number): { images: Tensor; labels: Tensor } {
  const own = key.split("data").split(n);
  const labels = randomIntegers(own.split("labels"), [count], 0, 2);
  const phases = randomIntegers(own.split("phases"), [count], 0, 4).toTypedArray();
  const vertical = labels.toTypedArray();
  const stripes = Float32Array.from({ length: count * side * side }, (_, i) => {
    const [b, row, column] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    const along = vertical[b] === 1 ? column : row;
    return (along + phases[b]!) % 4 < 2 ? 1 : -1;
  });
  const noise = normal(own.split("noise"), [count, 1, side, side]);
  return { images: tensor(stripes, { shape: [count, 1, side, side] }).add(noise), labels };
}

const model = new ResNet({ key: key.split("model"), channels: 1, numClasses: 2, widths: [4, 8] });
console.log(`${model.parameterCount} parameters`);
await fit(model, {
  key,
  batches: Array.from({ length: 40 }, (_, n) => batch(n)),
  optimiser: new AdamW(model.parameters(), { lr: 0.01 }),
  loss: ({ images, labels }) => crossEntropy(model.forward(images), labels),
  onStep: ({ step, loss }) => {
    if (step % 10 === 9) console.log(`step ${step + 1}: loss ${loss.toFixed(4)}`);
  },
});

const { images, labels } = batch(-1);
const accuracy = mean(cast(equal(argmax(predict(model, images), -1), labels), "float32")).item();
console.log(`told apart: ${(100 * accuracy).toFixed(0)} %`);
