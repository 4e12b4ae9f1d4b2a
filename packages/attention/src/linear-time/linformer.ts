import { broadcastTo, DTypeError, matmul, ShapeError, slice, Tensor, unsqueeze, UnsupportedError, where } from "@heed/tensor";
import { scaledDot } from "@heed/scoring";
import { attention } from "../attention.ts";
import { operandsOf, type LinearTimeOptions, type Operands } from "./internal/operands.ts";
import { keysThere } from "./internal/reach.ts";

export interface LinformerOptions extends LinearTimeOptions {
  /**
   * Turns S keys into R: `[R, S]`, or `[Hkv, R, S]` for heads of their own. A wider one, for longer sequences, gives its first S columns.
   * Learned; `normal(key, [R, S], { deviation: 1 / Math.sqrt(R) })` starts as in the paper.
   */
  readonly keyProjection: Tensor;
  /** The same for values. Default: that of keys, shared. */
  readonly valueProjection?: Tensor;
  /** Of the scores. Default 1 / √D. */
  readonly scale?: number;
}

/**
 * Linformer: attention over R sums of keys in place of S keys, `softmax(Q (E K)ᵀ · scale) (F V)`. It cannot be causal: each sum holds all
 * positions.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value, R rank.
 * @param query `[B, H, L, D]`; leading axes may be left out and broadcast, as in `attention`
 * @param key `[B, Hkv, S, D]`
 * @param value `[B, Hkv, S, E]`
 * @param options.mask `padding(lengths)`: keys that are not there count as zeros in the sums
 * @param options.returns `["weights"]` also gives the weights over the sums, `[B, H, L, R]`
 * @returns `[B, H, L, E]`. Without keys: zeros.
 * @throws {UnsupportedError} for a causal or another mask; {ShapeError} for operands or projections that do not fit; {DTypeError} when
 * dtypes differ.
 *
 * Time O((L + S) R (D + E)), streaming over the R sums.
 * @see Wang et al., "Linformer: Self-Attention with Linear Complexity", 2020 (arXiv:2006.04768)
 * @example
 * const context = linformer(query, key, value, { keyProjection, valueProjection });
 */
export function linformer(query: Tensor, key: Tensor, value: Tensor, options: LinformerOptions & { readonly returns?: undefined }): Tensor;
export function linformer(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinformerOptions & { readonly returns: readonly "weights"[] },
): { readonly output: Tensor; readonly weights: Tensor };
export function linformer(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinformerOptions & { readonly returns?: readonly "weights"[] | undefined },
): Tensor | { readonly output: Tensor; readonly weights: Tensor } {
  const call = operandsOf("linformer", query, key, value, options, ["keyProjection", "valueProjection", "scale", "returns"]);
  if (call.reach.causal) {
    const fix = "Use linearAttention, performer or reformer, or attention itself.";
    throw new UnsupportedError("linformer", "the sums over keys hold all positions, so no query can be kept from later ones", {}, fix);
  }
  const { keyProjection, valueProjection = keyProjection, scale, returns } = options;
  const there = keysThere(call.reach, call.context.S);
  const shortened = (x: Tensor, projection: Tensor, name: string) => {
    const present = there === undefined ? x : where(there, x, 0);
    return matmul(projectionOf(call, projection, name), present);
  };
  const keys = shortened(call.key, keyProjection, "keyProjection");
  const values = shortened(call.value, valueProjection, "valueProjection");
  if (keys.shape[2] !== values.shape[2]) {
    const got = { keyProjection: keyProjection.shape, valueProjection: valueProjection.shape };
    throw new ShapeError("linformer", "keyProjection and valueProjection must have one rank R", got);
  }
  const score = scaledDot(scale === undefined ? {} : { scale });
  if (returns === undefined) return call.restore(attention(call.query, keys, values, { score }));
  const { output, weights } = attention(call.query, keys, values, { score, returns: ["weights"] });
  return { output: call.restore(output), weights: call.unbatch(weights) };
}

/** `[1 | Hkv, R, S]`, as `[1, Hkv, R, S]`. */
function projectionOf({ key, context: { S } }: Operands, projection: Tensor, name: string): Tensor {
  const Hkv = key.shape[1];
  const ranks = projection instanceof Tensor && (projection.rank === 2 || (projection.rank === 3 && projection.shape[0] === Hkv));
  if (!ranks || projection.shape.at(-1)! < S) {
    const got = { [name]: projection instanceof Tensor ? projection.shape : typeof projection, Hkv, S };
    throw new ShapeError("linformer", `${name} must be [R, S], or [Hkv, R, S], of at least S columns`, got);
  }
  if (projection.dtype !== key.dtype) {
    throw new DTypeError("linformer", `${name} must have the dtype of key`, { [name]: projection.dtype, key: key.dtype });
  }
  const columns = slice(projection, -1, 0, S);
  return unsqueeze(projection.rank === 2 ? broadcastTo(columns, [Hkv, ...columns.shape]) : columns, 0);
}
