import { ShapeError, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import { checkAugmentation, drawChange, type Augmentation, type Change } from "./augmentation.ts";
import { batchIndices, type BatchOrder } from "./batch-indices.ts";
import type { ImageSet } from "./image-set.ts";
import type { PixelStatistics } from "./pixel-statistics.ts";

/** What batches of pictures look like. */
export interface BatchOptions extends BatchOrder {
  /** Subtract the mean and divide by the deviation of each channel. Default: pixels 0 … 1 as they are. */
  statistics?: PixelStatistics;
  /** Change pictures a little, each time differently. Needs a key. Default: not at all. */
  augment?: Augmentation;
}

/** Some pictures, ready for a model. */
export interface ImageBatch {
  /** `[B, C, H, W]`, row-major. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  /** `[B]` */
  readonly labels: Int32Array;
  /** `[B]`: where in the set the pictures are. */
  readonly indices: Int32Array;
}

/**
 * One epoch of a set in batches of float32: shuffled, normalised and augmented as asked.
 *
 * Nothing here has state. The order depends on `(key, epoch)`, the change of a picture on `(key, epoch, its index)`; so
 * resuming at `{ epoch, firstBatch }` repeats an uninterrupted run bit for bit, and a picture's change does not depend on its batch.
 *
 * Letters: B pictures of the batch, C channels, H rows, W columns.
 * @returns batches of `batchSize` pictures, the last one smaller unless `dropLast`. Arrays are new each time.
 * @throws {ShapeError} when an option is out of its range, a key is missing, or the statistics have other channels.
 *
 * Time O(floats of the batches), 4 to 6 ns each.
 * @see Elementary: one epoch
 * @example
 * for (const batch of batches(train, { batchSize: 64, key, epoch, statistics: pixelStatistics(train) })) {
 *   const { images, labels } = batchTensors(batch);
 * }
 */
export function* batches(set: ImageSet, options: BatchOptions): Generator<ImageBatch, void> {
  const { key, epoch = 0, augment, statistics } = options;
  if (augment !== undefined) {
    checkAugmentation("batches", augment);
    if (key === undefined) throw new ShapeError("batches", "augmenting needs a key", {}, "Give key: randomKey(seed).");
  }
  if (statistics !== undefined && (statistics.mean.length !== set.channels || statistics.std.length !== set.channels)) {
    throw new ShapeError("batches", "statistics must have one mean and one std per channel", {
      channels: set.channels,
      mean: statistics.mean.length,
      std: statistics.std.length,
    });
  }
  const changes = augment === undefined ? undefined : key!.split("augment").split(epoch);
  for (const indices of batchIndices(set.count, options)) yield gather(set, indices, statistics, augment, changes);
}

/**
 * The pictures at `indices` as one batch, in that order, as `batches` would give them without augmentation. Time O(floats of the batch).
 * @throws {ShapeError} for an index outside the set.
 * @see Elementary: a selection
 */
export function imageBatch(set: ImageSet, indices: ArrayLike<number>, statistics?: PixelStatistics): ImageBatch {
  const list = Int32Array.from(indices);
  if (list.some((index) => index < 0 || index >= set.count))
    throw new ShapeError("imageBatch", `indices must lie below ${set.count}`, { indices: list });
  return gather(set, list, statistics, undefined, undefined);
}

/**
 * A batch as tensors: `images` float32 `[B, C, H, W]`, `labels` int32 `[B]`. Time O(size), a copy.
 * Letters: B pictures (there may be none), C channels, H and W height and width.
 * @see Elementary: a copy
 */
export function batchTensors({ images, shape, labels }: ImageBatch): { images: Tensor; labels: Tensor } {
  return { images: tensor(images, { shape: [...shape] }), labels: tensor(labels, { shape: [labels.length] }) };
}

const still: Change = { dx: 0, dy: 0, mirrored: false, gain: 1, offset: 0 };

function gather(
  set: ImageSet,
  indices: Int32Array,
  statistics: PixelStatistics | undefined,
  augment: Augmentation | undefined,
  changes: RandomKey | undefined,
): ImageBatch {
  const { channels, height, width } = set;
  const plane = height * width;
  const out = new Float32Array(indices.length * channels * plane);
  const table = new Float32Array(256); // what each byte becomes
  const plain = Array.from({ length: channels }, (_, c) => fill(new Float32Array(256), still, statistics, c));
  for (let b = 0; b < indices.length; b++) {
    const index = indices[b];
    const change = augment === undefined ? still : drawChange(changes!.split(index), augment);
    const recoloured = change.gain !== 1 || change.offset !== 0;
    for (let c = 0; c < channels; c++) {
      const values = recoloured ? fill(table, change, statistics, c) : plain[c];
      const from = (index * channels + c) * plane;
      const to = (b * channels + c) * plane;
      if (change.dx === 0 && change.dy === 0 && !change.mirrored) {
        for (let i = 0; i < plane; i++) out[to + i] = values[set.images[from + i]];
      } else {
        // Pixels from outside get the mean: 0 when statistics are given, middle grey otherwise.
        move(set.images, from, out, to, height, width, change, values, statistics === undefined ? 0.5 : 0);
      }
    }
  }
  return {
    images: out,
    shape: [indices.length, channels, height, width],
    labels: Int32Array.from(indices, (index) => set.labels[index]),
    indices,
  };
}

function fill(table: Float32Array, { gain, offset }: Change, statistics: PixelStatistics | undefined, channel: number): Float32Array {
  const [mean, std] = statistics === undefined ? [0, 1] : [statistics.mean[channel], statistics.std[channel]];
  for (let value = 0; value < 256; value++) {
    const changed = Math.min(1, Math.max(0, (value / 255 - 0.5) * gain + 0.5 + offset));
    table[value] = ((gain === 1 && offset === 0 ? value / 255 : changed) - mean) / std;
  }
  return table;
}

function move(
  source: Uint8Array,
  from: number,
  out: Float32Array,
  to: number,
  height: number,
  width: number,
  { dx, dy, mirrored }: Change,
  values: Float32Array,
  outside: number,
): void {
  for (let y = 0; y < height; y++, to += width) {
    const row = y + dy;
    if (row < 0 || row >= height) {
      out.fill(outside, to, to + width);
      continue;
    }
    // Columns that come from inside: only these need a look at the picture.
    const shift = mirrored ? -dx : dx;
    const [first, last] = [Math.max(0, -shift), Math.min(width, width - shift)];
    out.fill(outside, to, to + Math.min(first, width));
    out.fill(outside, to + Math.max(last, 0), to + width);
    const start = from + row * width;
    if (mirrored) for (let x = first; x < last; x++) out[to + x] = values[source[start + width - 1 - x + dx]];
    else for (let x = first; x < last; x++) out[to + x] = values[source[start + x + dx]];
  }
}
