import { HeedError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * The strided pattern of the Sparse Transformer: of the keys up to its own position p = i + queryOffset, a query may see the last `stride` ones and,
 * before those, every `stride`-th: j ≤ p and (p − j < stride or (p − j) mod stride = 0). The paper takes a stride near √S, for texts laid out in rows
 * of that length. Queries before the first key (L > S) see nothing.
 *
 * Letters: i query, j key, L queries, S keys. As a tensor `[L, S]`.
 * @throws {HeedError} for a stride that is no whole number from 1 on.
 *
 * Time O(S / stride) a row; by tiles.
 * @see Child et al. 2019 (arXiv:1904.10509), §4.3
 */
export function strided(stride: number): DrawableMask {
  if (!Number.isInteger(stride) || stride < 1) throw new HeedError("strided", "stride must be a whole number, at least 1", { stride });
  return intervalMask(`strided(${stride})`, {}, (context) => ({
    batches: positionalBatches(context),
    heads: 1,
    fill: (b, _h, first, count, into) => {
      const position = first + offsetOf(context, b);
      for (let p = position; p < position + count; p++) {
        const near = Math.max(0, p - stride + 1);
        for (let j = Math.max(0, p) % stride; j < Math.min(near, context.S); j += stride) into.push(j, j + 1);
        into.row(near, Math.min(context.S, p + 1));
      }
    },
  }));
}
