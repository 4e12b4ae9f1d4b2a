// A vision transformer learns which of 16 patches holds a cross among noise, and shows where its class token looked.
import { AdamW, crossEntropy, fit, predict } from "@heed/nn";
import { argmax, cast, equal, mean, normal, randomIntegers, randomKey, tensor, type Tensor } from "@heed/tensor";
import { VisionTransformer } from "@heed/vision-patches";

const [count, patch, grid] = [64, 4, 4];
const side = patch * grid;
const key = randomKey(7);

function batch(n: number): { images: Tensor; places: Tensor } {
  const own = key.split("data").split(n);
  const places = randomIntegers(own.split("places"), [count], 0, grid * grid);
  const pixels = normal(own.split("noise"), [count, 1, side, side], { deviation: 0.3 }).toTypedArray();
  places.toTypedArray().forEach((place, b) => {
    const [top, left] = [Math.floor(place / grid) * patch, (place % grid) * patch];
    for (let i = 0; i < patch; i++) for (const j of [i, patch - 1 - i]) pixels[(b * side + top + i) * side + left + j] = 2;
  });
  return { images: tensor(pixels, { shape: [count, 1, side, side] }), places };
}

const model = new VisionTransformer({
  key: key.split("model"),
  imageSize: side,
  patchSize: patch,
  channels: 1,
  numClasses: grid * grid,
  embedDim: 32,
  depth: 1,
  numHeads: 2,
  mlpRatio: 2,
});
console.log(`${model.parameterCount} parameters`);
await fit(model, {
  key,
  batches: Array.from({ length: 300 }, (_, n) => batch(n)),
  optimiser: new AdamW(model.parameters(), { lr: 0.01 }),
  loss: ({ images, places }) => crossEntropy(model.forward(images), places),
  onStep: ({ step, loss }) => {
    if (step % 100 === 99) console.log(`step ${step + 1}: loss ${loss.toFixed(4)}`);
  },
});

const { images, places } = batch(-1);
const accuracy = mean(cast(equal(argmax(predict(model, images), -1), places), "float32")).item();
console.log(`found: ${(100 * accuracy).toFixed(0)} %`);

// Row 0 of the last block's weights is the class token's; column 0 is itself, the patches follow.
const weights = predict({ forward: (x: Tensor) => model.attentionWeights(x) }, images).at(-1)!;
const looked = mean(weights, 1).slice(0, 0, 1).slice(1, 0, 1).slice(2, 1).reshape([grid, grid]).toArray() as number[][];
console.log(`the cross is in patch ${places.toTypedArray()[0]}; the class token looked at`);
for (const row of looked) console.log(row.map((weight) => `${(100 * weight).toFixed(0).padStart(4)} %`).join(" "));
