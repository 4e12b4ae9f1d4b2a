import { HeedError, ShapeError } from "@heed/tensor";
import { intervalMask, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * Sample b has `lengths[b]` real keys: key j may be seen if j < lengths[b]. A length above S lets all be seen, 0 none. Queries are not masked:
 * rows past the end of a sequence are for the caller to ignore. Padding does not move the default queryOffset S − L.
 * @throws {HeedError} for lengths that are no whole numbers from 0 on; {ShapeError} when their number is not B.
 */
export function padding(lengths: ArrayLike<number>): DrawableMask {
  const own = Int32Array.from(lengths);
  for (let b = 0; b < lengths.length; b++) {
    if (own[b] !== lengths[b] || own[b] < 0)
      throw new HeedError("padding", "lengths must be whole numbers, not negative", { [`lengths[${b}]`]: lengths[b] });
  }
  return intervalMask("padding", { samples: own.length }, ({ B, S }) => {
    if (B !== own.length) {
      throw new ShapeError(
        "padding",
        "there must be one length per sample",
        { "samples B": B, lengths: own.length },
        "Build the mask from this batch's lengths.",
      );
    }
    return {
      batches: B,
      heads: 1,
      fill: (b, _h, _first, count, into) => {
        for (let r = 0; r < count; r++) into.row(0, Math.min(S, own[b]));
      },
    };
  });
}
