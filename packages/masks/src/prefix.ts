import { intervalMask, offsetOf, type DrawableMask } from "./internal/interval-mask.ts";
import { fitPositions, numbersOf, type Count } from "./internal/numbers.ts";

/**
 * Causal, but for a prefix that all may see: j ≤ p = i + queryOffset or j < lengths[b]. A prefix language model reads its prompt in both directions.
 * A length of 0 is `causal()`, one from S on lets all be seen. Queries before the first key (L > S) see the prefix.
 *
 * Letters: B samples, H heads, i query, j key, L queries, S keys.
 * @param lengths one whole number for all, one per sample, or an int32 tensor `[B]` or `[B | 1, H | 1]`
 * @throws {HeedError} for lengths that are no whole numbers from 0 on; {ShapeError} when (in use) there is not one per sample or head.
 *
 * Time O(1) a row, one range.
 * @see Raffel et al. 2020 (T5, arXiv:1910.10683), §3.2.1; Liu et al. 2018 (arXiv:1801.10198)
 */
export function prefix(lengths: Count | ArrayLike<number>): DrawableMask {
  const own = numbersOf("prefix", "lengths", lengths, 0, "lengths must be whole numbers, not negative", "length");
  return intervalMask(`prefix(${own.text})`, own, (context) => ({
    ...fitPositions("prefix", [own], context),
    fill: (b, h, first, count, into) => {
      const position = first + offsetOf(context, b);
      const all = own.at(b, h);
      for (let p = position; p < position + count; p++) into.row(0, Math.min(context.S, Math.max(all, p + 1)));
    },
  }));
}
