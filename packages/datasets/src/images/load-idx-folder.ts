import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, ShapeError } from "@heed/tensor";
import type { IdxArray } from "../idx/parse-idx.ts";
import { readIdx } from "../idx/read-idx.ts";
import { imageSet, type ImageSet, type ImageSplit } from "../image-set.ts";
import { readBounded, type LoadOptions } from "./load-image-folder.ts";
import { resize } from "./resize.ts";

/** What to load of a folder of IDX files, and in which form. */
export interface LoadIdxOptions extends Pick<LoadOptions, "limitPerClass" | "maxFileBytes" | "maxBytes" | "onProgress"> {
  /**
   * Height and width of the result. Larger than the pictures: they are put into the middle of black ones (28 becomes 32 without a
   * blur); smaller: they are resized. Default: as they are.
   */
  size?: number;
  /** 3 repeats the grey channel, for models that expect colour. Default 1. */
  channels?: 1 | 3;
  /** Default: the numbers "0", "1", … */
  classNames?: readonly string[];
}

/** The classes of Fashion-MNIST (Xiao et al. 2017), whose files look like those of MNIST. */
export const fashionMnistClassNames: readonly string[] = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

const where = "loadIdxFolder";

/**
 * Reads a folder with the four files of MNIST, or of a set in its form (Fashion-MNIST, KMNIST, EMNIST renamed), plain or gzip:
 * `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each with or without
 * `.gz` (`train-images.idx3-ubyte` is understood too).
 *
 * Letters: N pictures, H and W height and width.
 * @returns `images` `[N, channels, H, W]` of both parts.
 * @throws {FormatError} when a file is missing, not IDX, damaged, of the wrong rank or type, or counts of pictures and labels differ.
 * @throws {ShapeError} when `size` is not a whole number above 0, or the pictures would pass `maxBytes`.
 *
 * Time and memory O(bytes of the pictures).
 * @see http://yann.lecun.com/exdb/mnist/, "The IDX file format"
 */
export async function loadIdxFolder(root: string, options: LoadIdxOptions = {}): Promise<ImageSplit> {
  const { size, onProgress } = options;
  if (size !== undefined && (!Number.isInteger(size) || size < 1))
    throw new ShapeError(where, "size must be a whole number above 0", { size });
  const names = await fileNames(root);
  const found = (["train", "t10k"] as const).map((part) => ({
    images: find(root, names, part, "images", 3),
    labels: find(root, names, part, "labels", 1),
  }));
  const parts = [];
  for (const [i, part] of found.entries()) {
    parts.push(await readPart(part.images, part.labels, options));
    onProgress?.({ done: i + 1, total: found.length });
  }
  const [train, test] = parts as [Part, Part];
  const classes = options.classNames ?? Array.from({ length: Math.max(train.classes, test.classes) }, (_, i) => String(i));
  if (train.classes > classes.length || test.classes > classes.length) {
    throw new FormatError(
      where,
      "the label files hold more classes than classNames",
      { folder: root, classes: Math.max(train.classes, test.classes), classNames: classes.length },
      "Give one name per class.",
    );
  }
  return { train: toSet(train, classes, options), test: toSet(test, classes, options) };
}

/**
 * Whether a folder looks like one for `loadIdxFolder`: it holds a file of training pictures by name. False for no folder.
 * Time O(files), without opening one.
 * @see http://yann.lecun.com/exdb/mnist/, "The IDX file format"
 */
export async function isIdxFolder(root: string): Promise<boolean> {
  const names = await readdir(root).catch(() => []);
  return names.some((name) => pattern("train", "images", 3).test(name));
}

interface Part {
  readonly images: IdxArray;
  readonly labels: IdxArray;
  readonly classes: number;
}

function pattern(part: string, what: string, rank: number): RegExp {
  return new RegExp(`^${part}-${what}[-.]idx${rank}-ubyte(\\.gz)?$`);
}

async function fileNames(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (cause) {
    const error = new FormatError(where, "there is no such folder", { folder: root }, "Give the folder that holds the IDX files.");
    error.cause = cause;
    throw error;
  }
}

function find(root: string, names: readonly string[], part: string, what: string, rank: number): string {
  // The plain file first: it opens faster than the one with .gz beside it.
  const name = names.filter((candidate) => pattern(part, what, rank).test(candidate)).sort((a, b) => a.length - b.length)[0];
  if (name === undefined) {
    throw new FormatError(
      where,
      "an IDX file is missing",
      { file: join(root, `${part}-${what}-idx${rank}-ubyte(.gz)`) },
      "All four are needed: train-images, train-labels, t10k-images, t10k-labels.",
    );
  }
  return join(root, name);
}

async function readPart(imagesPath: string, labelsPath: string, options: LoadIdxOptions): Promise<Part> {
  const read = async (path: string, rank: number): Promise<IdxArray> => {
    const array = await readIdx(await readBounded(path, options), {
      name: path,
      ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
    });
    if (array.dtype !== "uint8" || array.shape.length !== rank) {
      throw new FormatError(
        where,
        `the file must hold bytes in ${rank} dimension${rank === 1 ? "" : "s"}`,
        { file: path, dtype: array.dtype, shape: array.shape },
        "Is this the right file?",
      );
    }
    return array;
  };
  const [images, labels] = [await read(imagesPath, 3), await read(labelsPath, 1)];
  if (images.shape[0] !== labels.shape[0]) {
    throw new FormatError(
      where,
      "there must be as many labels as pictures",
      { file: labelsPath, pictures: images.shape[0], labels: labels.shape[0] },
      "The two files do not belong together: get both again.",
    );
  }
  if (images.data.length === 0)
    throw new FormatError(where, "the file holds no pictures", { file: imagesPath, shape: images.shape }, "Get the file again.");
  let classes = 0;
  for (const label of labels.data) classes = Math.max(classes, label + 1);
  return { images, labels, classes };
}

function toSet({ images, labels }: Part, classNames: readonly string[], options: LoadIdxOptions): ImageSet {
  const { channels = 1, limitPerClass = Infinity, maxBytes = 2 ** 32 } = options;
  const [, rows, columns] = images.shape as [number, number, number];
  const counts = new Int32Array(classNames.length);
  const chosen = Int32Array.from(labels.data.keys()).filter((i) => ++counts[labels.data[i]] <= limitPerClass);
  const [height, width] = options.size === undefined ? [rows, columns] : [options.size, options.size];
  const plane = height * width;
  if (chosen.length * plane * channels > maxBytes) {
    throw new ShapeError(
      where,
      `the pictures would take more than ${maxBytes} bytes`,
      { pictures: chosen.length, size: [channels, height, width] },
      "Choose a smaller size, a limitPerClass, or a larger maxBytes.",
    );
  }
  const out = new Uint8Array(chosen.length * plane * channels);
  chosen.forEach((from, i) => {
    const source = (images.data as Uint8Array).subarray(from * rows * columns, (from + 1) * rows * columns);
    const to = out.subarray(i * plane * channels, (i * channels + 1) * plane);
    fit(source, rows, columns, to, height, width);
    for (let c = 1; c < channels; c++) out.copyWithin((i * channels + c) * plane, i * channels * plane, (i * channels + 1) * plane);
  });
  return imageSet(
    out,
    Int32Array.from(chosen, (i) => labels.data[i]),
    { channels, height, width, classNames },
  );
}

function fit(source: Uint8Array, rows: number, columns: number, to: Uint8Array, height: number, width: number): void {
  if (rows > height || columns > width) {
    const rgb = new Uint8Array(rows * columns * 3);
    source.forEach((value, i) => rgb.fill(value, 3 * i, 3 * i + 3));
    const { data } = resize({ width: columns, height: rows, data: rgb }, width, height);
    for (let i = 0; i < to.length; i++) to[i] = data[3 * i];
    return;
  }
  const [top, left] = [(height - rows) >> 1, (width - columns) >> 1];
  for (let row = 0; row < rows; row++) to.set(source.subarray(row * columns, (row + 1) * columns), (top + row) * width + left);
}
