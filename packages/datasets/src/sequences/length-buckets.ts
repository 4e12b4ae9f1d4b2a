import { HeedError, randomOrder, type RandomKey } from "@heed/tensor";

export interface BucketOptions {
  /** Sequences of a batch … */
  readonly batchSize?: number;
  /** … or elements of one, padding included: short sequences then come in larger batches. One of the two. */
  readonly maxElements?: number;
  /** Of the order; the same key, epoch and lengths give the same batches. */
  readonly key: RandomKey;
  /** Default 0. */
  readonly epoch?: number;
  /** How many batches' worth of sequences are sorted together: 1 does not sort, more waste less on padding. Default 16. */
  readonly bucketBatches?: number;
  /** Begin with this batch of the epoch. Default 0. */
  readonly firstBatch?: number;
}

/**
 * Batches of sequences of similar length, as indices. The order is random; within buckets of some batches sequences are sorted by length, so that
 * little is padded, and the batches come in random order again.
 *
 * Letters: N sequences.
 * @param lengths `[N]`
 * @returns int32 indices of each batch; every sequence once an epoch
 * @throws {HeedError} unless one of `batchSize` and `maxElements` is given, or when a sequence alone is above `maxElements`.
 *
 * Time O(N log N).
 * @see Khomenko et al. 2016, "Accelerating Recurrent Neural Network Training Using Sequence Bucketing and Multi-GPU Data Parallelization"
 */
export function* lengthBuckets(lengths: ArrayLike<number>, options: BucketOptions): Generator<Int32Array, void> {
  const { batchSize, maxElements, key, epoch = 0, bucketBatches = 16, firstBatch = 0 } = options;
  if ((batchSize === undefined) === (maxElements === undefined)) {
    throw new HeedError("lengthBuckets", "give batchSize or maxElements", { batchSize, maxElements });
  }
  for (const [name, value] of Object.entries({ size: batchSize ?? maxElements!, bucketBatches })) {
    if (!Number.isInteger(value) || value < 1)
      throw new HeedError("lengthBuckets", `${name} must be a whole number from 1 on`, { [name]: value });
  }
  const [longest, total] = measured(lengths);
  if (maxElements !== undefined && longest > maxElements) {
    throw new HeedError("lengthBuckets", "a sequence alone is longer than maxElements", { longest, maxElements }, "Cut it, or allow more.");
  }
  const draw = key.split("buckets").split(epoch);
  const order = randomOrder(draw.split("order"), lengths.length);
  const mean = total / Math.max(1, lengths.length);
  const perBatch = batchSize ?? Math.max(1, Math.floor(maxElements! / Math.max(1, mean)));
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += perBatch * bucketBatches) {
    const bucket = order.slice(start, start + perBatch * bucketBatches);
    if (bucketBatches > 1) bucket.sort((a, b) => lengths[a] - lengths[b] || a - b);
    for (let from = 0; from < bucket.length;) {
      const end = Math.min(bucket.length, from + (batchSize ?? bucket.length));
      let to = from;
      let most = 0;
      for (; to < end; to++) {
        most = Math.max(most, lengths[bucket[to]]);
        if (maxElements !== undefined && to > from && most * (to - from + 1) > maxElements) break;
      }
      batches.push(bucket.slice(from, to));
      from = to;
    }
  }
  const turn = randomOrder(draw.split("batches"), batches.length);
  for (let batch = firstBatch; batch < batches.length; batch++) yield batches[turn[batch]];
}

function measured(lengths: ArrayLike<number>): [longest: number, total: number] {
  let [longest, total] = [0, 0];
  for (let i = 0; i < lengths.length; i++) {
    longest = Math.max(longest, lengths[i]);
    total += lengths[i];
  }
  return [longest, total];
}
