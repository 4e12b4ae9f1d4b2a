import { Tensor, tensor, UnsupportedError } from "@heed/tensor";
import type { Mask, TermContext } from "@heed/tensor/terms";

/** How far queries see: a number of first keys, which is all that a running sum over keys can tell apart. */
export interface Reach {
  /** Query i of sample b sees key j where j ≤ i + offset of b, besides j < lengths[b]. Otherwise the length alone decides. */
  readonly causal: boolean;
  readonly offset: number | Int32Array;
  /** Keys that are there, one number for all samples or one per sample. `undefined`: all S. */
  readonly lengths: Int32Array | undefined;
}

/**
 * Reads a mask by its ranges, so that any that amounts to `causal()`, `padding(lengths)` or both will do.
 * @throws {UnsupportedError} for every other mask.
 */
export function reachOf(where: string, mask: Mask | Tensor | undefined, context: TermContext): Reach {
  const { L, S, queryOffset: offset } = context;
  if (mask === undefined) return { causal: false, offset, lengths: undefined };
  const refuse = () => {
    const rule = "queries must see the first keys, up to their own position or to a length";
    const got = { mask: mask instanceof Tensor ? `a tensor [${mask.shape.join(", ")}]` : mask.name };
    return new UnsupportedError(where, rule, got, "Use causal(), padding(lengths) or and(…) of both; attention() takes every mask.");
  };
  if (mask instanceof Tensor) throw refuse();
  const form = mask.lower(context);
  if (form.form !== "ranges" || form.ranges !== 1 || form.heads !== 1) throw refuse();
  const { batches, bounds } = form;
  const ends = new Int32Array(batches * L);
  for (let row = 0; row < ends.length; row++) {
    const [low, high] = [bounds[2 * row], bounds[2 * row + 1]];
    if (high <= low) continue;
    if (low !== 0) throw refuse();
    ends[row] = high;
  }
  const lengths = Int32Array.from({ length: batches }, (_, b) => (L === 0 ? S : ends[(b + 1) * L - 1]));
  const own = lengths.every((length) => length >= S) ? undefined : lengths;
  if (ends.every((end, row) => end === lengths[Math.floor(row / L)])) return { causal: false, offset, lengths: own };
  const reach: Reach = { causal: true, offset, lengths: own };
  if (ends.some((end, row) => end !== keysSeen(reach, S, Math.floor(row / L), row % L))) throw refuse();
  return reach;
}

/** How many keys, the first ones, query i of sample b sees. */
export function keysSeen({ causal, offset, lengths }: Reach, S: number, b: number, i: number): number {
  const length = lengths === undefined ? S : lengths[lengths.length === 1 ? 0 : b];
  if (!causal) return length;
  return Math.max(0, Math.min(length, i + (typeof offset === "number" ? offset : offset[b]) + 1));
}

/** Boolean `[B | 1, 1, S, 1]`: keys that are there. `undefined` where all are. */
export function keysThere({ lengths }: Reach, S: number): Tensor | undefined {
  if (lengths === undefined) return undefined;
  const bits = Uint8Array.from({ length: lengths.length * S }, (_, at) => Number(at % S < lengths[Math.floor(at / S)]));
  return tensor(bits, { shape: [lengths.length, 1, S, 1], dtype: "bool" });
}

/** Boolean `[B, 1, L, 1]`: queries that see a key. `undefined` where all do. */
export function queriesThatSee(reach: Reach, { B, L, S }: TermContext): Tensor | undefined {
  const bits = Uint8Array.from({ length: B * L }, (_, at) => Number(keysSeen(reach, S, Math.floor(at / L), at % L) > 0));
  return bits.every((bit) => bit === 1) ? undefined : tensor(bits, { shape: [B, 1, L, 1], dtype: "bool" });
}
