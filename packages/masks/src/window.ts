import { HeedError } from "@heed/tensor";
import { intervalMask, positionalBatches, positionOf, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * A query at position p = i + queryOffset may see keys from p − left to p + right, its own besides: `window(255, 0)` is what
 * others call a causal window of 256. −1 = unbounded on that side. Also known as truncated or local self-attention.
 * @throws {HeedError} for bounds that are no whole numbers from −1 on.
 * @see Beltagy, Peters, Cohan 2020 (arXiv:2004.05150), sliding window
 */
export function window(left: number, right: number): DrawableMask {
  for (const [name, n] of Object.entries({ left, right })) {
    if (!Number.isInteger(n) || n < -1) throw new HeedError("window", `${name} must be a whole number, or -1 for no bound`, { [name]: n });
  }
  return intervalMask(`window(${left}, ${right})`, {}, (context) => ({
    batches: positionalBatches(context),
    heads: 1,
    at: (b, _h, i) => {
      const position = positionOf(context, b, i);
      const low = left === -1 ? 0 : Math.max(0, position - left);
      const high = right === -1 ? context.S : Math.min(context.S, position + right + 1);
      return low < high ? [low, high] : [0, 0];
    },
  }));
}
