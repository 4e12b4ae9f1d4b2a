import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { classCounts, patchworks, stratifiedSplit, type ImageSet, type ImageSplit } from "@heed/datasets";
import { isIdxFolder, loadImages } from "@heed/datasets/images";
import { argmin, matmul, mul, noGrad, randomKey, scope, slice, square, sub, sum, tensor, transpose, type Tensor } from "@heed/tensor";
import type { PrepareContext, Prepared, ProfileSettings, Settings } from "../../experiment.ts";
import type { Augmentation } from "./batch.ts";
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
  readonly augmentation: Augmentation;
}

const photographs: Augmentation = { flip: true, reach: 1 / 8 };
/** Digits, mostly: a mirror would change the class. */
const digits: Augmentation = { flip: false, reach: 1 / 16 };
/** Their textures begin and end with the patches: shifted, each patch would hold two. */
const patchworksAsTheyAre: Augmentation = { flip: false, reach: 0 };

/** With more pairs of a test and a training picture, comparing all of them would take longer than a few seconds. */
const mostPairs = 4e7;

/** Reads the folder of `--data`, or draws patchworks. Data do not depend on the seed: seeds tell trainings apart. */
export async function prepareData(
  settings: Settings,
  profile: ProfileSettings,
  { progress, checkStop }: PrepareContext,
): Promise<Prepared<VisionData>> {
  const size = (settings.options.size as number | undefined) ?? (settings.data === undefined ? 64 : 128);
  const split =
    settings.data === undefined ? drawn(profile, size, progress) : await read(settings.data, profile, size, { progress, checkStop });
  const train = shared(split.train);
  const test = shared(split.test);
  const augmentation = settings.data === undefined ? patchworksAsTheyAre : (await isIdxFolder(settings.data)) ? digits : photographs;
  checkStop();
  const { mean, deviation } = moments(train);
  progress("compare with nearest neighbours");
  const references = [
    { label: "largest class", value: largestClass(test) },
    ...(train.count * test.count > mostPairs
      ? []
      : [{ label: "nearest neighbour on 32 × 32 pixels", value: nearestNeighbour(train, test) }]),
  ];
  return {
    description: {
      name: settings.data === undefined ? "patchworks" : nameOf(settings.data),
      classes: train.classNames,
      trainImages: train.count,
      testImages: test.count,
      imageSize: size,
      patches: (size / patchSize) ** 2,
      patchSize,
      references,
      fingerprint: fingerprint(train, test),
    },
    data: { train, test, search: searchSplit(train), mean, deviation, augmentation },
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
    size,
    ...(limit > 0 ? { limitPerClass: limit } : {}),
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

/** Keeps 15 % of each class aside, but nothing of a class with a single picture. */
function searchSplit({ labels, classNames }: ImageSet): VisionData["search"] {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const all = Int32Array.from(labels.keys());
  const several = all.filter((i) => counts.get(labels[i]!)! > 1);
  if (several.length === 0) return { train: all, validation: all }; // Nothing can be spared.
  const key = randomKey(0).split("validation");
  const { test } = stratifiedSplit(
    several.map((i) => labels[i]!),
    { key, testFraction: 0.15, classNames },
  );
  const validation = test.map((place) => several[place]!);
  const aside = new Set(validation);
  return { train: all.filter((i) => !aside.has(i)), validation };
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

/** Share of test pictures whose nearest training picture (Euclidean distance, both shrunk to 32 × 32) is of their class. */
function nearestNeighbour(train: ImageSet, test: ImageSet): number {
  const known = shrunk(train);
  const asked = shrunk(test);
  return noGrad(() =>
    scope(() => {
      const squares = sum(square(known), 1);
      const across = transpose(known);
      let right = 0;
      for (let first = 0; first < test.count; first += group) {
        right += scope(() => {
          const a = slice(asked, 0, first, Math.min(first + group, test.count));
          const distances = sub(squares, mul(matmul(a, across), 2)); // |a|² is the same for all of a row
          return Array.from(argmin(distances, 1).toTypedArray()).filter((index, i) => train.labels[index] === test.labels[first + i])
            .length;
        });
      }
      return right / test.count;
    }),
  );
}

/** Test pictures compared at a time. */
const group = 256;

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
  for (const { images, labels, classNames } of sets)
    hash
      .update(images)
      .update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength))
      .update(classNames.join("\n"));
  return hash.digest("hex").slice(0, 16);
}
