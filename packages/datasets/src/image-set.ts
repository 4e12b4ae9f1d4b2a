import { ShapeError } from "@heed/tensor";

/**
 * Pictures of one size and their classes, held in memory as bytes: the common form of every image data set here.
 *
 * Letters: N pictures, C channels (1 or 3), H rows, W columns.
 */
export interface ImageSet {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** `[N, C, H, W]`, 0 … 255. A quarter of what float32 would take; `batches` widens. */
  readonly images: Uint8Array;
  /** `[N]`, each an index into `classNames`. */
  readonly labels: Int32Array;
  readonly classNames: readonly string[];
  /** Where each picture came from (`<class>/<file>`), when it came from a file. */
  readonly names?: readonly string[];
}

/** A data set in its two parts, with the same classes in the same order. */
export interface ImageSplit {
  readonly train: ImageSet;
  readonly test: ImageSet;
}

/**
 * An `ImageSet` from its parts, checked once.
 *
 * Letters: N pictures, C channels, H and W height and width.
 * @param images `[N, C, H, W]` bytes; kept, not copied
 * @param labels `[N]`
 * @throws {ShapeError} when lengths and sizes disagree, or a label has no class name.
 *
 * Time O(N): labels are looked at, pictures not.
 * @see Elementary: a record
 */
export function imageSet(
  images: Uint8Array,
  labels: Int32Array,
  options: { channels: number; height: number; width: number; classNames: readonly string[]; names?: readonly string[] },
): ImageSet {
  const { channels, height, width, classNames, names } = options;
  const count = labels.length;
  if (images.length !== count * channels * height * width) {
    throw new ShapeError("imageSet", "images must hold labels.length · channels · height · width bytes", {
      images: images.length,
      labels: count,
      size: [channels, height, width],
    });
  }
  if (names !== undefined && names.length !== count) {
    throw new ShapeError("imageSet", "names must be as many as labels", { names: names.length, labels: count });
  }
  for (let i = 0; i < count; i++) {
    if (labels[i] < 0 || labels[i] >= classNames.length) {
      throw new ShapeError("imageSet", `label ${i} names no class`, { label: labels[i], classes: classNames.length });
    }
  }
  return { count, channels, height, width, images, labels, classNames, ...(names === undefined ? {} : { names }) };
}

/**
 * The pictures at `indices`, in that order, copied into a set of their own. The classes stay as they are, also those that no picture has.
 *
 * @throws {ShapeError} when an index is outside the set.
 *
 * Time and memory O(bytes of the pictures).
 * @see Elementary: a subset
 */
export function subset(set: ImageSet, indices: ArrayLike<number>): ImageSet {
  const { channels, height, width, classNames, names } = set;
  const bytes = channels * height * width;
  const images = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i];
    if (!Number.isInteger(from) || from < 0 || from >= set.count) {
      throw new ShapeError("subset", `indices must be whole numbers below ${set.count}`, { index: from });
    }
    images.set(set.images.subarray(from * bytes, (from + 1) * bytes), i * bytes);
    labels[i] = set.labels[from];
  }
  return imageSet(images, labels, {
    channels,
    height,
    width,
    classNames,
    ...(names === undefined ? {} : { names: Array.from(indices, (index) => names[index]) }),
  });
}

/**
 * How many pictures each class has, in the order of `classNames`; 0 for classes without any. Time O(pictures).
 * @see Elementary: a histogram
 */
export function classCounts(set: Pick<ImageSet, "labels" | "classNames">): Int32Array {
  const counts = new Int32Array(set.classNames.length);
  for (const label of set.labels) counts[label]++;
  return counts;
}
