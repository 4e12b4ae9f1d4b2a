import { HeedError } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import { drawable } from "./from-mask.ts";
import { intervalMask, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * The mask as if every query stood `by` keys further on (further back where negative): `shift(causal(), -1)` hides a query's own key too, and
 * `shift(causal(), 1)` shows the next one. It moves where queries stand, so masks that do not ask (padding, `fromTensor`) stay as they are.
 * A query that is shifted before the first key sees what the mask shows there: of `causal()`, nothing. Shapes are the mask's.
 * @throws {HeedError} when `by` is no whole number, or for what is no mask.
 *
 * Time O(ranges) a row, as of the mask.
 * @see Elementary: a translation
 */
export function shift(moved: Mask, by: number): DrawableMask {
  const mask = drawable("shift", moved);
  if (!Number.isInteger(by)) throw new HeedError("shift", "by must be a whole number", { by });
  return intervalMask(`shift(${mask.name}, ${by})`, mask, (context) => {
    const { queryOffset } = context;
    return mask.rows({
      ...context,
      queryOffset: typeof queryOffset === "number" ? queryOffset + by : queryOffset.map((offset) => offset + by),
    });
  });
}
