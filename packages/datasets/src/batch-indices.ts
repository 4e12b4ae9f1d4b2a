import { randomOrder, ShapeError, type RandomKey } from "@heed/tensor";

/** In which order, and in which portions, examples are seen. */
export interface BatchOrder {
  batchSize: number;
  /** Of the order; needed unless `shuffle` is off. */
  key?: RandomKey;
  /** Which time through the data: each has an order of its own. Default 0. */
  epoch?: number;
  /** Default true. Off: in the order of the set. */
  shuffle?: boolean;
  /** Leave out a last batch that is not full. Default false. */
  dropLast?: boolean;
  /** Begin with this batch of the epoch, as a resumed run does. Default 0. */
  firstBatch?: number;
}

/**
 * How many batches an epoch of `count` examples has: `⌈count / batchSize⌉`, or `⌊count / batchSize⌋` with `dropLast`; none of none. Time O(1).
 * @see Elementary: division
 */
export function batchCount(count: number, { batchSize, dropLast = false }: Pick<BatchOrder, "batchSize" | "dropLast">): number {
  return dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
}

/**
 * The examples of each batch of one epoch, as indices.
 *
 * The order is `randomOrder(key.split("order").split(epoch), count)`: it depends on key, epoch and count alone, so a run
 * that resumes at `{ epoch, firstBatch }` sees exactly what the uninterrupted one would have seen.
 *
 * @returns int32 arrays of `batchSize` indices, the last one shorter unless `dropLast`.
 * @throws {ShapeError} when `batchSize` is not a whole number above 0, or a key is missing.
 *
 * Time and memory O(count).
 * @see Durstenfeld 1964, "Algorithm 235: Random Permutation"
 */
export function* batchIndices(count: number, options: BatchOrder): Generator<Int32Array, void> {
  const { batchSize, key, epoch = 0, shuffle = true, firstBatch = 0 } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new ShapeError("batches", "batchSize must be a whole number above 0", { batchSize });
  if (shuffle && key === undefined)
    throw new ShapeError("batches", "shuffling needs a key", {}, "Give key: randomKey(seed), or shuffle: false.");
  const order = shuffle ? randomOrder(key!.split("order").split(epoch), count) : Int32Array.from({ length: count }, (_, i) => i);
  const total = batchCount(count, options);
  for (let batch = firstBatch; batch < total; batch++) yield order.slice(batch * batchSize, (batch + 1) * batchSize);
}
