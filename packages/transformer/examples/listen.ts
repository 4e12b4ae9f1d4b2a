// A Conformer hears whether a whistle somewhere in a noisy recording rises or falls. Recordings differ in length.
import { window } from "@heed/masks";
import { AdamW, fit, Linear, Module, predict } from "@heed/nn";
import { rope } from "@heed/positional";
import { Conformer } from "@heed/transformer";
import { argmax, crossEntropy, randomKey, randomStream, slice, squeeze, tensor, type RandomKey, type Tensor } from "@heed/tensor";

const [bands, width, longest, whistle] = [8, 16, 40, 8];

interface Batch {
  /** `[B, longest, bands]`, and how many frames of each are real. */
  readonly frames: Tensor;
  readonly lengths: readonly number[];
  readonly rises: Tensor;
}

class Listener extends Module {
  readonly embed: Linear;
  readonly encoder: Conformer;
  readonly head: Linear;

  constructor(key: RandomKey) {
    super();
    this.embed = new Linear(bands, width, { key: key.split("embed") });
    this.encoder = new Conformer(width, 2, { key: key.split("encoder"), numLayers: 2, feedForwardDim: 32, kernelSize: 7, rotation: rope });
    this.head = new Linear(width, 2, { key: key.split("head") });
  }

  /** The first frame sums up: it attends to all that are real. */
  forward({ frames, lengths }: Batch): Tensor {
    const heard = this.encoder.forward(this.embed.forward(frames), { lengths });
    return this.head.forward(squeeze(slice(heard, 1, 0, 1), 1));
  }
}

function batch(key: RandomKey, size: number): Batch {
  const stream = randomStream(key);
  const lengths = Array.from({ length: size }, () => whistle + 1 + stream.integer(longest - whistle));
  const rises = lengths.map(() => stream.integer(2));
  const frames = new Float32Array(size * longest * bands).map(() => stream.uniform());
  lengths.forEach((length, b) => {
    const start = stream.integer(length - whistle + 1);
    for (let t = 0; t < whistle; t++) {
      const band = rises[b] === 1 ? t : bands - 1 - t;
      frames[(b * longest + start + t) * bands + band] += 1;
    }
  });
  return { frames: tensor(frames, { shape: [size, longest, bands] }), lengths, rises: tensor(Int32Array.from(rises)) };
}

const key = randomKey(7);
const model = new Listener(key.split("model"));
const { losses } = await fit(model, {
  optimiser: new AdamW(model.parameters(), { lr: 3e-3 }),
  key: key.split("training"),
  batches: Array.from({ length: 200 }, (_, step) => batch(key.split("data").split(step), 32)),
  loss: (one) => crossEntropy(model.forward(one), one.rises),
});
const test = batch(key.split("test"), 500);
const said = argmax(predict(model, test), -1).toArray() as number[];
const truth = test.rises.toArray() as number[];
const right = said.filter((one, b) => one === truth[b]).length / said.length;
console.log(
  `loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}; ${(100 * right).toFixed(1)} % of new recordings are right (50 % by chance)`,
);

// Truncated attention: time grows with the length, not with its square.
const near = predict(
  { forward: (x: Tensor) => model.encoder.forward(x, { lengths: test.lengths, mask: window(8, 8) }) },
  model.embed.forward(test.frames),
);
console.log(near.shape);
