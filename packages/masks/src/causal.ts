import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * A query may see keys up to its own position: j ≤ i + queryOffset. With the default offset S − L the last query sees the
 * last key (bottom-right aligned); offset 0 aligns top-left. Where L > S, the first L − S queries see nothing.
 *
 * Letters: i query, j key, L queries, S keys. As a tensor `[L, S]`, `[B, 1, L, S]` where samples' offsets differ.
 *
 * Time O(1) a row, one range.
 * @see Vaswani et al. 2017, §3.2.3 (arXiv:1706.03762)
 */
export function causal(): DrawableMask {
  return intervalMask("causal", {}, (context) => ({
    batches: positionalBatches(context),
    heads: 1,
    fill: (b, _h, first, count, into) => {
      const sees = first + offsetOf(context, b) + 1;
      into.ramp(count, 0, 0, sees, 1, context.S);
    },
  }));
}
