import { UnsupportedError, type Tensor } from "@heed/tensor";
import { dense } from "./internal/dense.ts";
import { lowerScore } from "./internal/lower-score.ts";
import { isEmpty, obstacleInReturns, streamable } from "./internal/obstacle.ts";
import { streamed } from "./internal/streamed.ts";
import type { Call } from "./internal/call.ts";
import { prepare } from "./internal/prepare.ts";
import type { Normaliser, Softmax } from "./normalisers.ts";
import type { AttentionOptions, Return } from "./options.ts";

/** `lse` with a normaliser that is known to be none of softmax does not compile. */
type LseFits<R extends Return, N extends Normaliser> = "lse" extends R
  ? [Softmax] extends [N]
    ? unknown
    : { readonly normaliser?: Softmax }
  : unknown;

/** The output, and what `returns` asked for. */
export type AttentionResult<R extends Return> = { readonly output: Tensor } & { readonly [name in R]: Tensor };

/**
 * Attention, `normaliser(mask(scoreMod(softcap(score(Q, K)) + bias))) V`; by default scaled dot-product, `softmax(Q Kᵀ / √D) V`.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value.
 * @param query `[B, H, L, D]`; leading axes may be left out (`[H, L, D]`, `[L, D]`) and broadcast
 * @param key `[B, Hkv, S, D]`, H a multiple of Hkv: query head h uses key head ⌊h · Hkv / H⌋
 * @param value `[B, Hkv, S, E]`
 * @param options.mask a mask, or a boolean tensor broadcastable to `[B, H, L, S]`; true = may attend
 * @param options.returns also gives `lse` `[B, H, L]` (natural logarithm of the sum of exponentials), `weights`
 * `[B, H, L, S]` (after the normaliser, before dropout), or the scores at a stage; all without the leading axes that the
 * arguments leave out
 * @returns `[B, H, L, E]`. A query that may attend to nothing gets zeros (weights 0, lse −∞, gradient 0), never NaN; what a
 * masked key or value holds, NaN too, changes no bit.
 * @throws {ShapeError} when B, H, D or S disagree, or a score, mask or bias does not broadcast; {DTypeError} when dtypes differ, or a mask is not
 * boolean; {HeedError} for options out of range; {UnsupportedError} for `strict` where only the dense definition runs, and for what does not
 * combine.
 *
 * Streams over tiles: workspace at most 4 MiB. Time O(B H L S (D + E)), less what the mask empties. What the kernel does not take runs the dense
 * definition, memory O(B H L S): `explain` says so. Half precision is widened to float32.
 * @see Vaswani et al., "Attention Is All You Need", 2017, §3.2.1, eq. 1 (arXiv:1706.03762)
 * @example
 * const context = attention(query, key, value, { mask: causal() });
 * const { output, weights } = attention(query, key, value, { returns: ["weights"] });
 */
export function attention(query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions & { readonly returns?: undefined }): Tensor;
export function attention<const R extends Return, N extends Normaliser>(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns: readonly R[]; readonly normaliser?: N } & LseFits<R, N>,
): AttentionResult<R>;
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns?: readonly Return[] } = {},
): Tensor | ({ readonly output: Tensor } & Partial<Record<Return, Tensor>>) {
  const { returns } = options;
  const call = prepare("attention", query, key, value, options);
  const { output, ...extra } = results(call, returns ?? [], options.strict === true);
  const restored = call.restore(output);
  if (returns === undefined) return restored;
  return { output: restored, ...Object.fromEntries(Object.entries(extra).map(([name, x]) => [name, call.unbatch(x)])) };
}

function results(call: Call, returns: readonly Return[], strict: boolean): { output: Tensor } & Partial<Record<Return, Tensor>> {
  const { lowered, obstacle } = streamable(call, lowerScore);
  const ofPairs = obstacleInReturns(returns);
  if (strict && (obstacle ?? ofPairs) !== undefined) {
    const { option, reason } = (obstacle ?? ofPairs)!;
    throw new UnsupportedError(
      call.where,
      `the streaming kernel cannot take ${option}: ${reason}`,
      {},
      "Leave strict out to run the dense definition.",
    );
  }
  if (obstacle !== undefined || isEmpty(lowered)) return dense(call, new Set(returns));
  const wantsLse = returns.includes("lse");
  const result = streamed(lowered, wantsLse);
  if (ofPairs === undefined) return result;
  // What is asked for by pairs comes of the dense definition; the output does not depend on what else was asked for.
  return { ...dense(call, new Set(returns)), ...result };
}
