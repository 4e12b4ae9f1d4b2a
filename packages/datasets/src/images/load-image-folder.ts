import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, ShapeError, type RandomKey } from "@heed/tensor";
import { imageSet, type ImageSet, type ImageSplit } from "../image-set.ts";
import { decodeImage } from "./decode-image.ts";
import { listImageFolder, type ImageFolder } from "./list-image-folder.ts";
import { resizeAndCrop } from "./resize.ts";

/** How far a loader is. */
export interface LoadProgress {
  readonly done: number;
  readonly total: number;
}

/** What to load of a folder, and how large. */
export interface LoadOptions {
  /** Height and width of the result, in pixels: the shorter side is resized to it, the rest cut off at both ends. Default 64. */
  size?: number;
  /** Of the split, where no lists give one. Default `randomKey(0)`. */
  key?: RandomKey;
  /** Of that split. Default 0.2. */
  testFraction?: number;
  /** Take only the first so many pictures of each class in each part; default all. */
  limitPerClass?: number;
  /** Pictures with more pixels are refused. Default 2²⁵. */
  maxPixels?: number;
  /** Longer files are refused unread. Default 2²⁸. */
  maxFileBytes?: number;
  /** The most memory that all pictures together may take, checked before any is read. Default 2³². */
  maxBytes?: number;
  /** Called after every few pictures, and at the end. */
  onProgress?: (progress: LoadProgress) => void;
  /** Stops the loading: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Files that are read together, while the ones before are decoded. */
const group = 16;

/**
 * Reads an ImageFolder into memory: lists and splits it (`listImageFolder`), then decodes, resizes and crops every picture once.
 * What comes back is the cache, 3 · size² bytes a picture.
 *
 * Letters: N pictures.
 * @returns `images` `[N, 3, size, size]` for both parts; grey pictures have their channel repeated.
 * @throws {FormatError} as `listImageFolder` does, and when a picture is empty, damaged, cut off, too large, or no picture.
 * @throws {ShapeError} when `size` is not a whole number above 0, or the result would pass `maxBytes`.
 *
 * Time O(pixels of the files): about 3 ms for a photograph of 170 × 128 (jpeg-js).
 * @see torchvision's `ImageFolder`
 * @example
 * const { train, test } = await loadImageFolder("caltech101/images", { size: 128 });
 */
export async function loadImageFolder(root: string, options: LoadOptions = {}): Promise<ImageSplit> {
  const { size = 64, limitPerClass = Infinity, maxBytes = 2 ** 32, onProgress, signal } = options;
  if (!Number.isInteger(size) || size < 1) throw new ShapeError("loadImageFolder", "size must be a whole number above 0", { size });
  signal?.throwIfAborted();
  const folder = await listImageFolder(root, options);
  const parts = { train: firstOfEach(folder, folder.train, limitPerClass), test: firstOfEach(folder, folder.test, limitPerClass) };
  const total = parts.train.length + parts.test.length;
  if (total * size * size * 3 > maxBytes) {
    throw new ShapeError(
      "loadImageFolder",
      `the pictures would take more than ${maxBytes} bytes`,
      { pictures: total, size },
      "Choose a smaller size, a limitPerClass, or a larger maxBytes.",
    );
  }
  let done = 0;
  const load = (part: Int32Array): Promise<ImageSet> =>
    loadPart(folder, part, size, options, (count) => {
      done += count;
      onProgress?.({ done, total });
    });
  const train = await load(parts.train);
  const test = await load(parts.test);
  return { train, test };
}

function firstOfEach({ labels, classNames }: ImageFolder, part: Int32Array, limit: number): Int32Array {
  const counts = new Int32Array(classNames.length);
  return part.filter((i) => ++counts[labels[i]] <= limit);
}

async function loadPart(
  folder: ImageFolder,
  part: Int32Array,
  size: number,
  options: LoadOptions,
  onGroup: (count: number) => void,
): Promise<ImageSet> {
  const plane = size * size;
  const images = new Uint8Array(part.length * plane * 3);
  const read = (from: number): Promise<Uint8Array[]> => {
    const bytes = Promise.all(
      Array.from(part.subarray(from, from + group), (i) => readBounded(join(folder.root, folder.files[i]), options)),
    );
    bytes.catch(() => {}); // awaited below; until then a failure is not yet "unhandled"
    return bytes;
  };
  let next = read(0);
  for (let from = 0; from < part.length; from += group) {
    const files = await next;
    options.signal?.throwIfAborted();
    next = read(from + group);
    files.forEach((bytes, k) => {
      const name = join(folder.root, folder.files[part[from + k]]);
      const { data } = resizeAndCrop(
        decodeImage(bytes, { name, ...(options.maxPixels === undefined ? {} : { maxPixels: options.maxPixels }) }),
        size,
      );
      const to = (from + k) * plane * 3;
      for (let i = 0; i < plane; i++) {
        images[to + i] = data[3 * i];
        images[to + plane + i] = data[3 * i + 1];
        images[to + 2 * plane + i] = data[3 * i + 2];
      }
    });
    onGroup(files.length);
  }
  return imageSet(
    images,
    Int32Array.from(part, (i) => folder.labels[i]),
    {
      channels: 3,
      height: size,
      width: size,
      classNames: folder.classNames,
      names: Array.from(part, (i) => folder.files[i]),
    },
  );
}

/** @internal Reads a file that is not longer than allowed, or says in one sentence why not. */
export async function readBounded(path: string, options: { maxFileBytes?: number }): Promise<Uint8Array> {
  const { maxFileBytes = 2 ** 28 } = options;
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes)
      throw new FormatError(
        "readFile",
        `the file is longer than ${maxFileBytes} bytes`,
        { file: path, bytes: size },
        "Remove it, or give a larger maxFileBytes.",
      );
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    const error = new FormatError(
      "readFile",
      "the file cannot be read",
      { file: path, reason: (cause as { code?: string }).code },
      "Look at its permissions, and that it was not moved meanwhile.",
    );
    error.cause = cause;
    throw error;
  }
}
