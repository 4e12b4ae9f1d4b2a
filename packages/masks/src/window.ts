import { HeedError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

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
    fill: (b, _h, first, count, into) => {
      const position = first + offsetOf(context, b);
      for (let p = position; p < position + count; p++) {
        into.row(left === -1 ? 0 : Math.max(0, p - left), right === -1 ? context.S : Math.min(context.S, p + right + 1));
      }
    },
  }));
}
