import { intervalMask, type DrawableMask } from "./internal/interval-mask.ts";
import { fit, numbersOf, type Count } from "./internal/numbers.ts";

/**
 * Sample b has `lengths[b]` real keys: key j may be seen if j < lengths[b]. A length above S lets all be seen, 0 none. Queries are not masked:
 * rows past the end of a sequence are for the caller to ignore. Padding does not move the default queryOffset S − L.
 *
 * Letters: B samples, H heads, j key, L queries, S keys.
 * @param lengths one whole number for all, one per sample, or an int32 tensor `[B]` or `[B | 1, H | 1]`
 * @throws {HeedError} for lengths that are no whole numbers from 0 on; {ShapeError} when (in use) their number is not B.
 *
 * Time O(1) a row, one range.
 * @see ONNX's `Attention` (input `nonpad_kv_seqlen`)
 */
export function padding(lengths: Count | ArrayLike<number>): DrawableMask {
  const own = numbersOf("padding", "lengths", lengths, 0, "lengths must be whole numbers, not negative", "length");
  return intervalMask("padding", own, (context) => ({
    ...fit("padding", [own], context),
    fill: (b, h, _first, count, into) => {
      const sees = Math.min(context.S, own.at(b, h));
      into.ramp(count, 0, 0, sees, 0, context.S);
    },
  }));
}
