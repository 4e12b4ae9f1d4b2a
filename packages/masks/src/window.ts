import { intervalMask, offsetOf, type DrawableMask } from "./internal/interval-mask.ts";
import { extentOf, fitPositions, numbersOf, type Count } from "./internal/numbers.ts";

/**
 * A query at position p = i + queryOffset may see keys from p − left to p + right, its own besides: `window(255, 0)` is what
 * others call a causal window of 256. −1 = unbounded on that side. Also known as truncated or local self-attention.
 * Queries so far before the first key (L > S) that the window does not reach it see nothing.
 *
 * Letters: B samples, H heads, i query, L queries, S keys.
 * @param left whole numbers from −1 on: one for all, or an int32 tensor `[B]` or `[B | 1, H | 1]` (heads that look differently far)
 * @param right the same
 * @throws {HeedError} for bounds that are no whole numbers from −1 on; {ShapeError} when (in use) there is not one per sample or head.
 *
 * Time O(1) a row, one range.
 * @see Beltagy, Peters, Cohan 2020 (arXiv:2004.05150), sliding window
 */
export function window(left: Count, right: Count): DrawableMask {
  const [before, after] = Object.entries({ left, right }).map(([name, n]) =>
    numbersOf("window", name, n, -1, `${name} must be a whole number, or -1 for no bound`),
  );
  return intervalMask(`window(${before.text}, ${after.text})`, extentOf([before, after]), (context) => ({
    ...fitPositions("window", [before, after], context),
    fill: (b, h, first, count, into) => {
      const position = first + offsetOf(context, b);
      const low = before.at(b, h);
      const high = after.at(b, h);
      const from = low === -1 ? 0 : position - low;
      const to = high === -1 ? context.S : position + high + 1;
      into.ramp(count, from, low === -1 ? 0 : 1, to, high === -1 ? 0 : 1, context.S);
    },
  }));
}
