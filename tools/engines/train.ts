import { AdamW, BatchNorm2d, clipGradNorm, cosine, Embedding, LayerNorm, Linear, Module, training } from "@heed/nn";
import { Conv2d } from "@heed/cnn-baseline";
import { and, causal, padding } from "@heed/masks";
import { alibi } from "@heed/positional";
import { LSTM } from "@heed/rnn-baseline";
import {
  concat,
  crossEntropy,
  maxPool2d,
  mean,
  normal,
  randomIntegers,
  randomKey,
  relu,
  reshape,
  resident,
  scope,
  tensor,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { TransformerEncoder } from "@heed/transformer";

// Large enough that attention, its gradient, products, the recurrence and the convolution are all shared between threads.
const [vocabulary, width, numHeads, classes, B, L, side] = [29, 32, 2, 5, 8, 48, 12];
const lengths = [48, 48, 33, 47, 1, 16, 17, 40];

/** A little of everything: two encoder layers with masks, a bias and dropout, an LSTM, two convolutions with batch norm and pooling. */
class Model extends Module {
  readonly embed: Embedding;
  readonly encoder: TransformerEncoder;
  readonly norm: LayerNorm;
  readonly lstm: LSTM;
  readonly conv1: Conv2d;
  readonly batchNorm: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly head: Linear;

  constructor(key: RandomKey) {
    super();
    this.embed = new Embedding(vocabulary, width, { key: key.split("embed") });
    this.encoder = new TransformerEncoder(width, numHeads, {
      key: key.split("encoder"),
      numLayers: 2,
      feedForwardDim: 2 * width,
      activation: "gelu",
      normFirst: true,
      dropoutP: 0.1,
    });
    this.norm = new LayerNorm(width);
    this.lstm = new LSTM(width, width, { key: key.split("lstm"), bidirectional: true });
    this.conv1 = new Conv2d(1, 8, { key: key.split("conv1"), kernelSize: 3, padding: "same" });
    this.batchNorm = new BatchNorm2d(8);
    this.conv2 = new Conv2d(8, 16, { key: key.split("conv2"), kernelSize: 3, padding: "same" });
    this.head = new Linear(3 * width + 16 * 9, classes, { key: key.split("head") });
  }

  forward(ids: Tensor, images: Tensor): Tensor {
    const x = this.embed.forward(ids);
    const read = this.encoder.forward(x, { mask: and(causal(), padding(lengths)), bias: alibi({ numHeads }) });
    const { h } = this.lstm.forward(x, { lengths });
    const maps = maxPool2d(relu(this.batchNorm.forward(this.conv1.forward(images))), { kernelSize: 2 });
    const seen = maxPool2d(relu(this.conv2.forward(maps)), { kernelSize: 2 });
    const parts = [mean(this.norm.forward(read), 1), this.lstm.lastHidden(h), reshape(seen, [B, 16 * 9])];
    return this.head.forward(concat(parts, 1));
  }
}

/** Trains for that many steps from a fixed seed; the SHA-256 of all parameters and buffers, with their names, and the last loss. */
export async function trainAndHash(steps: number): Promise<{ hash: string; loss: number }> {
  const key = randomKey(20170612);
  const model = new Model(key.split("model"));
  const optimiser = new AdamW(model.parameters(), { weightDecay: 0.05 });
  const schedule = cosine({ base: 0.003, warmup: 20, total: steps });
  const owner = resident([model, optimiser]);
  let last = NaN;
  for (let step = 0; step < steps; step++) {
    const batch = key.split("batch").split(step);
    const ids = randomIntegers(batch.split("ids"), [B, L], 0, vocabulary);
    const images = normal(batch.split("images"), [B, 1, side, side]);
    // Something to learn: which word comes first.
    const first = ids.toTypedArray().filter((_, i) => i % L === 0);
    const target = tensor(Int32Array.from(first, (id) => id % classes));
    scope(() => {
      optimiser.zeroGrad();
      const loss = training(key.split("dropout").split(step), () => crossEntropy(model.forward(ids, images), target));
      loss.backward();
      clipGradNorm(optimiser.parameters, 1);
      optimiser.step(schedule(step));
      last = loss.item();
    });
  }
  owner.release();
  const encoder = new TextEncoder();
  const parts = Object.entries(model.stateDict()).flatMap(([name, x]) => {
    const { buffer, byteOffset, byteLength } = x.toTypedArray();
    return [encoder.encode(name), new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)];
  });
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { hash, loss: last };
}
