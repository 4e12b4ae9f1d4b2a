import { intervalMask, positionalBatches, positionOf, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * A query may see keys up to its own position: j ≤ i + queryOffset. With the default offset S − L the last query sees the
 * last key (bottom-right aligned); offset 0 aligns top-left. Where L > S, the first L − S queries see nothing.
 * Lowers to one range per row.
 * @see Vaswani et al. 2017, §3.2.3 (arXiv:1706.03762)
 */
export function causal(): DrawableMask {
  return intervalMask("causal", {}, (context) => ({
    batches: positionalBatches(context),
    heads: 1,
    at: (b, _h, i) => [0, Math.max(0, Math.min(context.S, positionOf(context, b, i) + 1))],
  }));
}
