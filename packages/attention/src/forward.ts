import { activeBuild, runWhereAsked } from "@heed/kernels/light";
import { isRecording, UnsupportedError, type Tensor } from "@heed/tensor/light";
import { prepareWith } from "./internal/call.ts";
import { lowerScoreForward } from "./internal/lower-score-forward.ts";
import { isEmpty, streamable } from "./internal/obstacle.ts";
import { slotsOf } from "./internal/operands.ts";
import { stream } from "./internal/stream.ts";
import { streamedDot } from "./internal/streamed-dot.ts";
import type { AttentionOptions } from "./options.ts";
import { compiledStreaming } from "./streaming/compiled.ts";

export type { AttentionOptions } from "./options.ts";

/** The output, and `lse` where `returns` asked for it. */
export interface ForwardResult {
  readonly output: Tensor;
  readonly lse?: Tensor;
}

/**
 * `attention` of `@heed/attention` for pages that compute and do not train, in less than half of the bytes: the same arguments, the same kernel, the same
 * bits. It streams or throws: there is no gradient, no dense definition, and no plain loops.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value.
 * @param query `[B, H, L, D]`; leading axes may be left out (`[H, L, D]`, `[L, D]`) and broadcast
 * @param key `[B, Hkv, S, D]`, H a multiple of Hkv
 * @param value `[B, Hkv, S, E]`
 * @param options.returns `["lse"]` also gives `lse` `[B, H, L]`
 * @returns `[B, H, L, E]`. A query that may attend to nothing gets zeros, never NaN.
 * @throws {UnsupportedError} where an operand requires a gradient (outside `noGrad`), for float64, without WebAssembly SIMD, for `weights` and scores
 * in `returns`, for sizes of 0, and for what the kernel does not take: each names `@heed/attention`, which does it; else what that throws.
 *
 * Worker threads take part once `configure` of `@heed/tensor` was called, if only with `{}`. Time O(B H L S (D + E)), less what the mask empties; workspace at most 4 MiB.
 * @see Vaswani et al., "Attention Is All You Need", 2017, §3.2.1, eq. 1 (arXiv:1706.03762)
 */
export function attention(query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions & { readonly returns?: undefined }): Tensor;
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns: readonly ["lse"] },
): Required<ForwardResult>;
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns?: readonly "lse"[] },
): Tensor | ForwardResult;
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns?: readonly "lse"[] } = {},
): Tensor | ForwardResult {
  const { returns } = options;
  const call = prepareWith(streamedDot, "attention", query, key, value, options);
  const byPair = returns?.find((name: string) => name !== "lse");
  if (byPair !== undefined) throw leftOut(`returns: "${byPair as string}" is an array of L × S`);
  if (call.query.dtype !== "float32") throw leftOut(`${call.query.dtype} runs plain loops`);
  if (activeBuild() === "reference") throw leftOut('plain loops would have to run (backend: "reference", or no WebAssembly SIMD)');
  const { lowered, obstacle } = streamable(call, lowerScoreForward);
  if (obstacle !== undefined) throw leftOut(`${obstacle.option}: ${obstacle.reason}`);
  if (isEmpty(lowered)) throw leftOut("a size is 0");
  if (isRecording() && [call.query, call.key, ...slotsOf(lowered)].some((x) => x?.requiresGrad === true))
    throw leftOut("an operand requires a gradient");
  const { output, lse } = stream({ kernels: compiledStreaming, run: runWhereAsked }, lowered, returns?.includes("lse") === true);
  const restored = call.restore(output);
  if (returns === undefined) return restored;
  return lse === undefined ? { output: restored } : { output: restored, lse: call.unbatch(lse) };
}

function leftOut(reason: string): UnsupportedError {
  return new UnsupportedError(
    "attention",
    `@heed/attention/forward only streams, in float32 and without gradients; ${reason}`,
    {},
    'Import attention from "@heed/attention" (for a gradient that nobody wants: call it in noGrad).',
  );
}
