import type { ImageSet } from "@heed/datasets";
import { permutation, randomWords, tensor, type RandomKey, type Tensor } from "@heed/tensor";

export interface Batch {
  /** `[B, C, H, W]` float32, each channel around 0 with deviation 1 over the training set. */
  readonly images: Tensor;
  /** `[B]` int32. */
  readonly labels: Tensor;
}

export interface Scaling {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** What may be done to a training picture without changing its class. */
export interface Augmentation {
  /** Mirror every second one: photographs stay what they are, digits and patchworks do not. */
  readonly flip: boolean;
  /** Move it by up to this share of its width each way. */
  readonly reach: number;
}

/**
 * Random changes of a training picture; a picture's depend on the key and its place in the epoch alone. `batches` of the package
 * datasets has no colour per channel, which photographs want, and no part of a set without a copy, which the search wants.
 */
interface Change {
  readonly flip: boolean;
  /** Pixels to the right and down, by which the picture is moved; edges repeat. */
  readonly right: number;
  readonly down: number;
  /** Factor around the mean, and shift, of each channel in deviations. */
  readonly contrast: number;
  readonly brightness: readonly number[];
}

const unchanged: Change = { flip: false, right: 0, down: 0, contrast: 1, brightness: [0, 0, 0] };

/** The pictures of one epoch in an order of its own. Any step can be asked for at any time: nothing has state. */
export class Epochs {
  readonly #set: ImageSet;
  readonly #indices: Int32Array;
  readonly #batchSize: number;
  readonly #scaling: Scaling;
  readonly #augmentation: Augmentation;
  readonly #key: RandomKey;
  #epoch = -1;
  #order = new Int32Array(0);

  constructor(set: ImageSet, indices: Int32Array, batchSize: number, scaling: Scaling, augmentation: Augmentation, key: RandomKey) {
    this.#set = set;
    this.#indices = indices;
    this.#batchSize = Math.min(batchSize, indices.length);
    this.#scaling = scaling;
    this.#augmentation = augmentation;
    this.#key = key;
  }

  /** Whole batches only: what is left over comes in another epoch's order. */
  get stepsPerEpoch(): number {
    return Math.floor(this.#indices.length / this.#batchSize);
  }

  /** The batch of a step, counted over all epochs. */
  at(step: number): Batch {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const key = this.#key.split(epoch);
    if (epoch !== this.#epoch) {
      this.#order = Int32Array.from(permutation(key.split("order"), this.#indices.length).toTypedArray());
      this.#epoch = epoch;
    }
    const first = (step % this.stepsPerEpoch) * this.#batchSize;
    const chosen = this.#order.subarray(first, first + this.#batchSize).map((place) => this.#indices[place]!);
    const words = new Uint32Array(8);
    return batchOf(this.#set, chosen, this.#scaling, (i) => {
      randomWords(key.split("change").split(first + i), words);
      return changeFrom(words, this.#set.width, this.#augmentation);
    });
  }
}

/** Pictures as they are, in the order of `indices`. */
export function batchOf(
  set: ImageSet,
  indices: ArrayLike<number>,
  { mean, deviation }: Scaling,
  changeOf: (i: number) => Change = () => unchanged,
): Batch {
  const { images, channels, height, width } = set;
  const plane = height * width;
  const out = new Float32Array(indices.length * channels * plane);
  for (let i = 0; i < indices.length; i++) {
    const change = changeOf(i);
    const columns = Int32Array.from({ length: width }, (_, x) => clamp((change.flip ? width - 1 - x : x) - change.right, width));
    for (let channel = 0; channel < channels; channel++) {
      const factor = change.contrast / deviation[channel]!;
      const shift = change.brightness[channel]! - mean[channel]! * factor;
      const from = (indices[i]! * channels + channel) * plane;
      const to = (i * channels + channel) * plane;
      for (let y = 0; y < height; y++) {
        const row = from + clamp(y - change.down, height) * width;
        const start = to + y * width;
        for (let x = 0; x < width; x++) out[start + x] = images[row + columns[x]!]! * factor + shift;
      }
    }
  }
  const labels = Int32Array.from(indices, (index) => set.labels[index]!);
  return { images: tensor(out, { shape: [indices.length, channels, height, width] }), labels: tensor(labels) };
}

function changeFrom(words: Uint32Array, width: number, { flip, reach }: Augmentation): Change {
  const unit = (i: number) => words[i]! / 2 ** 32;
  const around = (i: number, most: number) => (2 * unit(i) - 1) * most;
  const brightness = around(4, 0.2);
  return {
    flip: flip && unit(0) < 0.5,
    right: Math.round(around(1, reach * width)),
    down: Math.round(around(2, reach * width)),
    contrast: 1 + around(3, 0.25),
    brightness: [5, 6, 7].map((i) => brightness + around(i, 0.1)),
  };
}

function clamp(position: number, length: number): number {
  return position < 0 ? 0 : position >= length ? length - 1 : position;
}
