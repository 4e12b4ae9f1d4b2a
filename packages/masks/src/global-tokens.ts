import { HeedError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";
import { listsOf, type Lists } from "./internal/lists.ts";
import { requireSamples } from "./internal/numbers.ts";

/**
 * Tokens that see everything and are seen by all: key j may be seen by the query at position p = i + queryOffset if p or j is in `tokens`. Alone it
 * hides the rest; `or(window(w, w), globalTokens([0]))` is Longformer's pattern, and with `randomBlocks` too it is BigBird's. Without tokens nobody
 * sees anything.
 *
 * Letters: B samples, i query, j key.
 * @param tokens positions, in any order, from 0 on; those outside of the sequence are nothing. Or one list per sample
 * @throws {HeedError} for a position that is no whole number from 0 on; {ShapeError} when (in use) there is not one list per sample.
 *
 * Time O(tokens) a row, a range per run of them.
 * @see Beltagy, Peters, Cohan 2020 (arXiv:2004.05150), §3.1; Zaheer et al. 2020 (arXiv:2007.14062)
 */
export function globalTokens(tokens: Lists): DrawableMask {
  const lists = listsOf("globalTokens", "tokens", tokens).map((list) => list.sort());
  for (const [least] of lists) {
    if (least < 0) throw new HeedError("globalTokens", "tokens are positions, not negative", { token: least });
  }
  const chosen = lists.map((list) => new Set(list));
  const samples = lists.length === 1 ? undefined : lists.length;
  return intervalMask("globalTokens", { samples }, (context) => {
    requireSamples("globalTokens", "list", { lists: samples }, context);
    return {
      batches: Math.max(samples ?? 1, positionalBatches(context)),
      heads: 1,
      fill: (b, _h, first, count, into) => {
        const which = samples === undefined ? 0 : b;
        const position = first + offsetOf(context, b);
        for (let p = position; p < position + count; p++) {
          if (chosen[which].has(p)) into.push(0, context.S);
          else for (const j of lists[which]) into.push(j, Math.min(context.S, j + 1));
          into.endRow();
        }
      },
    };
  });
}
