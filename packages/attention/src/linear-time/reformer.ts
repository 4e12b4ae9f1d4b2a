import {
  argmax,
  broadcastTo,
  concat,
  HeedError,
  indexSelect,
  matmul,
  mul,
  neg,
  noGrad,
  normal,
  reshape,
  softmax,
  stack,
  sum,
  tensor,
  unsqueeze,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { scaledDot } from "@heed/scoring";
import type { Mask, TermContext } from "@heed/tensor/terms";
import { attention } from "../attention.ts";
import { operandsOf, type LinearTimeOptions, type Operands } from "./internal/operands.ts";
import { keysSeen, type Reach } from "./internal/reach.ts";

export interface ReformerOptions extends LinearTimeOptions {
  /** Draws the hashes. */
  readonly key: RandomKey;
  /** 1, or an even number. Default: so many that 64 keys fall into one on average. */
  readonly numBuckets?: number;
  /** Hashes of their own whose results are merged: pairs that one misses another may find. Default 2. */
  readonly rounds?: number;
  /** Of the scores. Default 1 / √D. */
  readonly scale?: number;
}

/**
 * Attention by locality-sensitive hashing: a query sees the keys of its own bucket, argmax [x R; −x R] for a random matrix R, since vectors
 * that point the same way, whose score is large, tend to share one. Rounds are merged by their lse, Σ_r e^{lse_r − lse} y_r: a pair found
 * by several counts as often. One bucket is exact attention.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value.
 * @param query `[B, H, L, D]`; leading axes may be left out and broadcast, as in `attention`. The paper shares queries with keys and takes
 * keys to length 1: pass such if you want that
 * @param key `[B, Hkv, S, D]`
 * @param value `[B, Hkv, S, E]`
 * @param options.mask `causal()`, `padding(lengths)` or `and(…)` of both; positions are those before sorting
 * @returns `[B, H, L, E]`. A query whose buckets hold no key that it may see gets zeros; what keys hold that it does not see changes
 * nothing.
 * @throws {UnsupportedError} for another mask; {ShapeError} for operands that do not fit; {HeedError} for an odd number of buckets, or
 * options out of range.
 *
 * Keys and queries are sorted by bucket; then each query sees one range of keys, and the streaming kernel skips the rest.
 * Time O(rounds (L + S) D (numBuckets + keys per bucket)), as long as buckets are about even. Hashes have no gradient.
 * @see Kitaev, Kaiser, Levskaya, "Reformer: The Efficient Transformer", 2020, §2 (arXiv:2001.04451)
 * @example
 * const context = reformer(query, key, value, { key: randomKey(7), numBuckets: 32, rounds: 4, mask: causal() });
 */
export function reformer(query: Tensor, key: Tensor, value: Tensor, options: ReformerOptions): Tensor {
  const call = operandsOf("reformer", query, key, value, options, ["key", "numBuckets", "rounds", "scale"]);
  const { B, H, L, S } = call.context;
  const { numBuckets = S <= 64 ? 1 : 2 * Math.ceil(S / 128), rounds = 2, scale } = options;
  if (!Number.isInteger(numBuckets) || (numBuckets !== 1 && (numBuckets < 2 || numBuckets % 2 !== 0))) {
    throw new HeedError("reformer", "numBuckets must be 1 or an even number: a direction and its opposite have one each", { numBuckets });
  }
  if (!Number.isInteger(rounds) || rounds < 1) throw new HeedError("reformer", "rounds must be a whole number from 1 on", { rounds });
  const score = scaledDot(scale === undefined ? {} : { scale });
  const whole = (x: Tensor) => (x.shape[0] === B ? x : broadcastTo(x, [B, ...x.shape.slice(1)]));
  const operands = { query: whole(call.query), key: whole(call.key), value: whole(call.value) };
  const results = Array.from({ length: rounds }, (_, round) => {
    const sorted = sortedBy(call, operands, numBuckets, options.key.split(round));
    const { output, lse } = attention(sorted.query, sorted.key, sorted.value, { score, mask: sorted.mask, returns: ["lse"] });
    return { output: sorted.unsorted(output), lse: sorted.unsorted(unsqueeze(lse, -1)) };
  });
  if (L === 0 || rounds === 1) return call.restore(results[0].output);
  // Of rounds that found nothing the lse is −∞, and so their weight 0.
  const weights = softmax(stack(results.map(({ lse }) => lse)), 0);
  const merged = sum(mul(weights, stack(results.map(({ output }) => output))), 0);
  return call.restore(reshape(merged, [B, H, L, call.value.shape[3]]));
}

interface Sorted {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly mask: Mask;
  /** `[B, H, L, …]` in the order that came. */
  unsorted(x: Tensor): Tensor;
}

function sortedBy(
  { context, reach, group }: Operands,
  { query, key, value }: { query: Tensor; key: Tensor; value: Tensor },
  numBuckets: number,
  hashKey: RandomKey,
): Sorted {
  const { B, H, L, S } = context;
  const Hkv = H / group;
  const hashes = hasher(query.shape[3], numBuckets, hashKey, query.dtype as "float32");
  const queries = sortRows(hashes(query), B * H, L, numBuckets);
  const keys = sortRows(hashes(key), B * Hkv, S, numBuckets);
  const back = new Int32Array(queries.rows.length);
  queries.rows.forEach((row, at) => (back[row] = at));
  return {
    query: picked(query, queries.rows),
    key: picked(key, keys.rows),
    value: picked(value, keys.rows),
    mask: bucketMask(queries, keys, context, reach, group, numBuckets),
    unsorted: (x) => picked(x, back),
  };
}

/** The bucket of each row. */
function hasher(D: number, numBuckets: number, key: RandomKey, dtype: "float32" | "float64"): (x: Tensor) => ArrayLike<number> {
  if (numBuckets === 1) return (x) => new Int32Array(x.size / Math.max(1, D));
  const directions = normal(key, [D, numBuckets / 2], { dtype });
  return (x) =>
    noGrad(() => {
      const along = matmul(x.detach(), directions);
      return argmax(concat([along, neg(along)], -1), -1).toTypedArray() as Int32Array;
    });
}

/** Rows of many sequences, those of one bucket next to one another, in their order. */
interface Rows {
  /** Where each row of the sorted order was: `[sequences, length]`, counted through all sequences. */
  readonly rows: Int32Array;
  readonly buckets: ArrayLike<number>;
  /** Where each bucket starts within its sequence: `[sequences, numBuckets + 1]`. */
  readonly starts: Int32Array;
}

function sortRows(buckets: ArrayLike<number>, sequences: number, length: number, numBuckets: number): Rows {
  const rows = new Int32Array(sequences * length);
  const starts = new Int32Array(sequences * (numBuckets + 1));
  const next = new Int32Array(numBuckets);
  for (let s = 0; s < sequences; s++) {
    const own = starts.subarray(s * (numBuckets + 1), (s + 1) * (numBuckets + 1));
    for (let i = 0; i < length; i++) own[buckets[s * length + i] + 1]++;
    for (let b = 0; b < numBuckets; b++) own[b + 1] += own[b];
    next.set(own.subarray(0, numBuckets));
    for (let i = 0; i < length; i++) rows[s * length + next[buckets[s * length + i]]++] = s * length + i;
  }
  return { rows, buckets, starts };
}

function picked(x: Tensor, rows: Int32Array): Tensor {
  const width = x.shape[3];
  return reshape(indexSelect(reshape(x, [rows.length, width]), tensor(rows)), x.shape);
}

/** Among sorted rows: the keys of the query's bucket, as many of the first as it may see. */
function bucketMask(queries: Rows, keys: Rows, context: TermContext, reach: Reach, group: number, numBuckets: number): Mask {
  const { B, H, L, S } = context;
  const bounds = new Int32Array(B * H * L * 2);
  for (let sequence = 0; sequence < B * H; sequence++) {
    const of = Math.floor(sequence / group); // (b, h) to (b, h of the keys), since H = Hkv · group
    let [bucket, low, high] = [-1, 0, 0];
    for (let at = sequence * L; at < (sequence + 1) * L; at++) {
      const row = queries.rows[at];
      if (queries.buckets[row] !== bucket) {
        bucket = queries.buckets[row];
        low = high = keys.starts[of * (numBuckets + 1) + bucket];
      }
      const end = keys.starts[of * (numBuckets + 1) + bucket + 1];
      const seen = of * S + keysSeen(reach, S, Math.floor(sequence / H), row - sequence * L);
      while (high < end && keys.rows[of * S + high] < seen) high++; // Later queries of a bucket see no fewer.
      bounds[2 * at] = low;
      bounds[2 * at + 1] = high;
    }
  }
  return {
    name: "buckets",
    lower: () => ({ form: "ranges", batches: B, heads: H, ranges: 1, bounds }),
    dense: () => {
      const bits = new Uint8Array(B * H * L * S);
      for (let row = 0; row < B * H * L; row++) bits.fill(1, row * S + bounds[2 * row], row * S + bounds[2 * row + 1]);
      return tensor(bits, { shape: [B, H, L, S], dtype: "bool" });
    },
  };
}
