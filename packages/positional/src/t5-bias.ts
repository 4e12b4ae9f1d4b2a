import { embedding, HeedError, ShapeError, normal, tensor, transpose, type RandomKey, type Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";
import { math } from "@heed/kernels";
import { relativeBias } from "./internal/relative-bias.ts";
import { requireCounts } from "./internal/require.ts";

export interface T5BucketOptions {
  /** Half the buckets for keys ahead of the query. Default true; false: all keys ahead share bucket 0, for use with `causal()`. */
  readonly bidirectional?: boolean;
  /** Distances from here on share the last bucket. Default 128. */
  readonly maxDistance?: number;
}

/**
 * A learned number per head and bucket of distances, added to the score: `weight[bucket(j − position)]`. Near distances have a bucket each, far
 * ones share buckets that widen with the logarithm.
 *
 * With n = |distance| (or max(−distance, 0) in one direction), b buckets a side and e = ⌊b / 2⌋: bucket n below e, else
 * min(b − 1, e + ⌊ln(n / e) / ln(maxDistance / e) · (b − e)⌋).
 *
 * Letters: H heads, j key, L queries, S keys. Densely `[1, H, L, S]`. Where L > S the first queries have all keys ahead.
 * @param options.weight `[numBuckets, H]`, as in T5: `relative_attention_bias.weight`
 * @throws {ShapeError} when weight is no matrix, or has too few buckets; {HeedError} when maxDistance is not above e.
 *
 * Time O(H (L + S)): as an operand it is a row of L + S − 1 numbers per head.
 * @see Raffel et al. 2020, §2.1 (arXiv:1910.10683)
 */
export function t5Bias({ weight, ...options }: T5BucketOptions & { readonly weight: Tensor }): Bias {
  if (weight.rank !== 2) throw new ShapeError("t5Bias", "weight must be [numBuckets, H]", { weight: weight.shape });
  const numBuckets = weight.shape[0];
  const bucket = bucketOf("t5Bias", numBuckets, options);
  return relativeBias(
    "t5Bias",
    (relative) => transpose(embedding(weight, tensor(relative.map(bucket)))),
    () => ({ weight }),
  );
}

/**
 * The bucket of each relative position, key less query, as `t5Bias` describes them: int32, one per position, none for none. Where
 * both directions count, keys ahead have the upper half of the buckets. Time O(positions).
 * @throws {ShapeError} when there are too few buckets; {HeedError} when maxDistance is not above the distances that have a bucket each.
 * @see Raffel et al. 2020, §2.1 (arXiv:1910.10683)
 */
export function t5Buckets(
  relative: ArrayLike<number>,
  { numBuckets = 32, ...options }: T5BucketOptions & { readonly numBuckets?: number } = {},
): Int32Array {
  return Int32Array.from(relative, bucketOf("t5Buckets", numBuckets, options));
}

/**
 * A fresh weight for `t5Bias`, `[numBuckets, numHeads]`, normal with that deviation. In a module hold it as a `Parameter`. The same key draws the
 * same numbers. Time O(numBuckets numHeads).
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on.
 * @see Raffel et al. 2020, §2.1 (arXiv:1910.10683)
 */
export function initT5Bias(
  key: RandomKey,
  { numBuckets = 32, numHeads, deviation = 0.02 }: { readonly numBuckets?: number; readonly numHeads: number; readonly deviation?: number },
): Tensor {
  requireCounts("initT5Bias", { numBuckets, numHeads });
  return normal(key, [numBuckets, numHeads], { deviation, requiresGrad: true });
}

function bucketOf(
  where: string,
  numBuckets: number,
  { bidirectional = true, maxDistance = 128 }: T5BucketOptions,
): (relative: number) => number {
  requireCounts(where, { numBuckets }, bidirectional ? 4 : 2);
  const side = bidirectional ? Math.floor(numBuckets / 2) : numBuckets;
  const exact = Math.floor(side / 2);
  if (!(maxDistance > exact))
    throw new HeedError(where, "maxDistance must be above the distances that have a bucket each", { maxDistance, exact });
  const range = math.log(maxDistance / exact);
  return (relative) => {
    const first = bidirectional && relative > 0 ? side : 0;
    const n = bidirectional ? Math.abs(relative) : Math.max(-relative, 0);
    return first + (n < exact ? n : Math.min(side - 1, exact + Math.floor((math.log(n / exact) / range) * (side - exact))));
  };
}
