import { intervalMask, offsetOf, type DrawableMask } from "./internal/interval-mask.ts";
import { extentOf, fitPositions, numbersOf, type Count } from "./internal/numbers.ts";

/**
 * A window with gaps: a query at position p = i + queryOffset may see every `dilation`-th key on both sides, `radius` of them each, and its own:
 * |p − j| ≤ radius · dilation and (p − j) mod dilation = 0. One-sided: `and(causal(), dilated(…))`. Queries before the first key (L > S) see those
 * that their steps reach.
 *
 * Letters: B samples, H heads, i query, j key, L queries, S keys.
 * @param radius whole numbers from 0 on: one for all, or an int32 tensor `[B]` or `[B | 1, H | 1]`
 * @param dilation the same, from 1 on; 1 is `window(radius, radius)`. Heads of growing dilation see far and near together
 * @throws {HeedError} for numbers out of range; {ShapeError} when (in use) there is not one per sample or head.
 *
 * Time O(radius) a row; mostly by tiles.
 * @see Beltagy, Peters, Cohan 2020 (arXiv:2004.05150), §3.1; Hassani, Shi 2022 (arXiv:2209.15001)
 */
export function dilated(radius: Count, dilation: Count): DrawableMask {
  const far = numbersOf("dilated", "radius", radius, 0, "radius must be a whole number, at least 0");
  const gap = numbersOf("dilated", "dilation", dilation, 1, "dilation must be a whole number, at least 1");
  return intervalMask(`dilated(${far.text}, ${gap.text})`, extentOf([far, gap]), (context) => ({
    ...fitPositions("dilated", [far, gap], context),
    fill: (b, h, first, count, into) => {
      const position = first + offsetOf(context, b);
      const [most, step] = [far.at(b, h), gap.at(b, h)];
      for (let p = position; p < position + count; p++) {
        const from = Math.max(-most, Math.ceil(-p / step));
        const to = Math.min(most, Math.floor((context.S - 1 - p) / step));
        for (let k = from; k <= to; k++) into.push(p + k * step, p + k * step + 1);
        into.endRow();
      }
    },
  }));
}
