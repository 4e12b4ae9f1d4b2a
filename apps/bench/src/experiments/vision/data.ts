import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { classCounts, patchworks, stratifiedSplit, type ImageSet, type ImageSplit } from "@heed/datasets";
import { loadImages } from "@heed/datasets/images";
import { argmin, matmul, mul, noGrad, randomKey, scope, square, sub, sum, tensor, transpose, type Tensor } from "@heed/tensor";
import type { PrepareContext, Prepared, ProfileSettings, Settings } from "../../experiment.ts";
import { patchSize } from "./models.ts";

/** What every run gets: pixels are shared between threads, not copied. */
export interface VisionData {
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** Indices into `train`: learn from the first, judge a learning rate on the second. */
  readonly search: { readonly train: Int32Array; readonly validation: Int32Array };
  /** Per channel, of the training pictures, in 0 … 255. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** Reads the folder of `--data`, or draws patchworks. Data do not depend on the seed: seeds tell trainings apart. */
export async function prepareData(settings: Settings, profile: ProfileSettings, { progress, checkStop }: PrepareContext): Promise<Prepared<VisionData>> {
  const size = (settings.options.size as number | undefined) ?? (settings.data === undefined ? 64 : 128);
  const split = settings.data === undefined ? drawn(profile, size, progress) : await read(settings.data, profile, size, { progress, checkStop });
  const train = shared(split.train);
  const test = shared(split.test);
  checkStop();
  const { mean, deviation } = moments(train);
  const parts = stratifiedSplit(train.labels, { key: randomKey(0).split("validation"), testFraction: 0.15, classNames: train.classNames });
  progress("compare with nearest neighbours");
  const references = [
    { label: "largest class", value: largestClass(test) },
    { label: "nearest neighbour on 32 × 32 pixels", value: nearestNeighbour(train, test) },
  ];
  return {
    description: {
      name: settings.data === undefined ? "patchworks" : nameOf(settings.data),
      classes: train.classNames, trainImages: train.count, testImages: test.count,
      imageSize: size, patches: (size / patchSize) ** 2, patchSize, references, fingerprint: fingerprint(train, test),
    },
    data: { train, test, search: { train: parts.train, validation: parts.test }, mean, deviation },
  };
}

function drawn(profile: ProfileSettings, size: number, progress: (text: string) => void): ImageSplit {
  const key = randomKey(2021).split("patchworks");
  progress(`draw ${profile.train as number} + ${profile.test as number} pictures`);
  return {
    train: patchworks(key.split("train"), { count: profile.train as number, size }),
    test: patchworks(key.split("test"), { count: profile.test as number, size }),
  };
}

async function read(folder: string, profile: ProfileSettings, size: number, { progress, checkStop }: PrepareContext): Promise<ImageSplit> {
  const limit = profile.limitPerClass as number;
  return loadImages(folder, {
    size, ...(limit > 0 ? { limitPerClass: limit } : {}),
    onProgress: ({ done, total }) => {
      progress(`read ${done} of ${total} pictures`);
      checkStop();
    },
  });
}

/** "images" says nothing; the folder around it does. */
function nameOf(folder: string): string {
  const own = basename(folder);
  return own === "images" ? basename(dirname(folder)) : own;
}

function shared(set: ImageSet): ImageSet {
  const images = new Uint8Array(new SharedArrayBuffer(set.images.length));
  images.set(set.images);
  return { ...set, images: images as Uint8Array as Uint8Array<ArrayBuffer> };
}

function moments({ images, count, channels, height, width }: ImageSet): { mean: number[]; deviation: number[] } {
  const plane = height * width;
  const mean: number[] = [];
  const deviation: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    let [total, squares] = [0, 0];
    for (let i = 0; i < count; i++) {
      const from = (i * channels + channel) * plane;
      for (let at = from; at < from + plane; at++) {
        total += images[at]!;
        squares += images[at]! * images[at]!;
      }
    }
    const average = total / (count * plane);
    mean.push(average);
    deviation.push(Math.max(1, Math.sqrt(squares / (count * plane) - average * average)));
  }
  return { mean, deviation };
}

function largestClass(test: ImageSet): number {
  return Math.max(...classCounts(test)) / test.count;
}

/** The class of the training picture at the least Euclidean distance, both shrunk to 32 × 32. */
function nearestNeighbour(train: ImageSet, test: ImageSet): number {
  return noGrad(() => scope(() => {
    const a = shrunk(test);
    const b = shrunk(train);
    const squares = (x: Tensor) => sum(square(x), 1);
    const distances = sub(squares(b), mul(matmul(a, transpose(b)), 2)); // |a|² is the same for all of a row
    const nearest = Array.from(argmin(distances, 1).toTypedArray());
    return nearest.filter((index, i) => train.labels[index] === test.labels[i]).length / test.count;
  }));
}

/** `[N, C · 32 · 32]`, around 0: means over squares of pixels. */
function shrunk({ images, count, channels, height, width }: ImageSet): Tensor {
  const [down, across] = [height / 32, width / 32];
  const out = new Float32Array(count * channels * 1024);
  for (let plane = 0; plane < count * channels; plane++) {
    for (let row = 0; row < 32; row++) {
      for (let column = 0; column < 32; column++) {
        let [total, seen] = [0, 0];
        for (let y = Math.floor(row * down); y < Math.max((row + 1) * down, Math.floor(row * down) + 1); y++) {
          for (let x = Math.floor(column * across); x < Math.max((column + 1) * across, Math.floor(column * across) + 1); x++) {
            total += images[(plane * height + y) * width + x]!;
            seen++;
          }
        }
        out[plane * 1024 + row * 32 + column] = total / seen / 128 - 1;
      }
    }
  }
  return tensor(out, { shape: [count, channels * 1024] });
}

function fingerprint(...sets: readonly ImageSet[]): string {
  const hash = createHash("sha256");
  for (const { images, labels, classNames } of sets) hash.update(images).update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)).update(classNames.join("\n"));
  return hash.digest("hex").slice(0, 16);
}
