import { HeedError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * The fixed pattern of the Sparse Transformer: of the keys up to its own position p = i + queryOffset, a query may see those of its own block, and
 * the last `summary` of every block: j ≤ p and (⌊p / block⌋ = ⌊j / block⌋ or j mod block ≥ block − summary). Queries before the first
 * key (L > S) see nothing.
 *
 * Letters: i query, j key, L queries, S keys. As a tensor `[L, S]`.
 * @throws {HeedError} unless block is a whole number from 1 on, and summary one from 0 to block.
 *
 * Time O(S / block) a row; by tiles.
 * @see Child et al. 2019 (arXiv:1904.10509), §4.3
 */
export function fixed(block: number, summary: number): DrawableMask {
  if (!Number.isInteger(block) || block < 1) throw new HeedError("fixed", "block must be a whole number, at least 1", { block });
  if (!Number.isInteger(summary) || summary < 0 || summary > block)
    throw new HeedError("fixed", "summary must be a whole number, at most block", { summary, block });
  return intervalMask(`fixed(${block}, ${summary})`, {}, (context) => ({
    batches: positionalBatches(context),
    heads: 1,
    fill: (b, _h, first, count, into) => {
      const { S } = context;
      const position = first + offsetOf(context, b);
      for (let p = position; p < position + count; p++) {
        const own = Math.floor(p / block) * block;
        for (let end = block; end <= own && end - summary < S; end += block) into.push(end - summary, Math.min(S, end));
        into.row(Math.max(0, own), Math.min(S, p + 1));
      }
    },
  }));
}
