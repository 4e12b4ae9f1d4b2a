import { DTypeError, reshape, ShapeError, type Tensor } from "@heed/tensor";
import { fromBits } from "./from-tensor.ts";
import type { DrawableMask } from "./internal/interval-mask.ts";

/**
 * Which keys are real, wherever they are: key j of sample b may be seen if `keep[b, j]`. For padding at the end `padding(lengths)` says it in one
 * number per sample. PyTorch's `key_padding_mask` marks what to leave out: `not(keyPadding(mask))`. Where a
 * sample keeps none, its queries see nothing.
 *
 * Letters: B samples, S keys.
 * @param keep boolean `[B, S]`, or `[S]` for all samples; true = may be seen
 * @throws {DTypeError} when it is not boolean; {ShapeError} when it is neither, or (in use) does not fit the call.
 *
 * Time O(runs of real keys) a row, a range each, and O(S) per 64 rows to find them.
 * @see PyTorch's `torch.nn.MultiheadAttention` (`key_padding_mask`, the opposite)
 */
export function keyPadding(keep: Tensor): DrawableMask {
  if (keep.dtype !== "bool")
    throw new DTypeError("keyPadding", "keep must be boolean", { keep: keep.dtype }, "Compare: notEqual(ids, padId).");
  if (keep.rank !== 1 && keep.rank !== 2) throw new ShapeError("keyPadding", "keep must be [B, S], or [S]", { keep: keep.shape });
  const S = keep.shape.at(-1)!;
  return fromBits("keyPadding", reshape(keep, keep.rank === 1 ? [1, S] : [keep.shape[0], 1, 1, S]), 1);
}
