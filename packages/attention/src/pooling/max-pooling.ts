import { any, max, squeeze, where, type Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import { openElements, requireSet } from "../internal/open-elements.ts";

/**
 * The greatest value of each feature over a set of vectors: `y_e = max_s x_se`, `[B, S, E]` → `[B, E]`.
 *
 * Letters: B batch, S elements, E features.
 * @param options.mask true = counts: a mask of `@heed/masks` (such as `padding(lengths)`), or a boolean tensor broadcastable to `[B, 1, 1, S]`
 * @returns `[B, E]`; zeros where nothing counts. What does not count may hold NaN. The gradient goes to the greatest, shared where several are.
 * @throws {ShapeError} when x or the mask has another shape. Time O(B S E).
 * @see Ilse, Tomczak, Welling 2018, §2.3 (arXiv:1802.04712)
 */
export function maxPooling(x: Tensor, { mask }: { readonly mask?: Mask | Tensor } = {}): Tensor {
  requireSet("maxPooling", x, undefined);
  const open = openElements("maxPooling", x, mask);
  if (open === undefined) return max(x, 1);
  const kept = max(where(open, x, -Infinity), 1);
  return where(squeeze(any(open, 1, { keepDims: true }), 1), kept, 0);
}
