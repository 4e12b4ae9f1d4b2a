import { broadcastTo, DTypeError, reshape, ShapeError, Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";

/** A set of vectors `[B, S, E]`, checked. */
export function requireSet(where: string, x: Tensor, width: number | undefined): void {
  if (x instanceof Tensor && x.rank === 3 && (width === undefined || x.shape[2] === width)) return;
  const got = { x: x instanceof Tensor ? x.shape : typeof x };
  const fix = x instanceof Tensor && x.rank === 2 ? "Add the batch: unsqueeze(x, 0)." : undefined;
  throw new ShapeError(where, `x must be [B, S, ${width ?? "E"}]`, got, fix);
}

/** Which elements a mask leaves open to one query, boolean `[B, S, 1]`; `undefined` for all. */
export function openElements(where: string, { shape, dtype }: Tensor, mask: Mask | Tensor | undefined): Tensor | undefined {
  if (mask === undefined) return undefined;
  const [B, S] = shape;
  const open = mask instanceof Tensor ? mask : mask.dense({ B, H: 1, L: 1, S, queryOffset: S - 1, dtype: dtype as "float32" });
  if (open.dtype !== "bool") throw new DTypeError(where, "a mask is boolean, true = may attend", { mask: open.dtype });
  const full = [1, 1, 1, 1, ...open.shape].slice(-4);
  if (open.rank > 4 || ![1, B].includes(full[0]) || full[1] !== 1 || full[2] !== 1 || ![1, S].includes(full[3])) {
    throw new ShapeError(where, "mask must broadcast to [B, 1, 1, S]", { mask: open.shape, B, S }, "Lengths are padding(lengths).");
  }
  return reshape(broadcastTo(reshape(open, full), [B, 1, 1, S]), [B, S, 1]);
}
