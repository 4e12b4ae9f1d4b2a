import { logSumExp, mul, ShapeError, softmax, stack, sum, unsqueeze, type Tensor } from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";

/** What `attention(…, { returns: ["lse"] })` gives. */
export interface AttentionPart {
  /** `[…, L, E]` */
  readonly output: Tensor;
  /** `[…, L]`, the natural logarithm of the sum of exponentials. */
  readonly lse: Tensor;
}

/**
 * Attention over all keys from attentions over parts of them: `output = Σ_p e^(lse_p − lse) output_p`, `lse = ln Σ_p e^lse_p`. Split the keys as
 * you like, attend to each part by itself (on other machines, at other times, with other masks), and merge: the result is that of one call.
 *
 * Letters: L queries, E width of a value.
 * @param parts `[…, L, E]` and `[…, L]` each, of the softmax without sink or dropout
 * @returns the same, so that merges nest. A part in which a query may see nothing (lse −∞) counts nothing; if all are such, output 0 and lse −∞.
 * @throws {ShapeError} for no parts, or shapes that differ.
 *
 * Differentiable. Time and memory O(parts · size of output).
 * @see Rabe and Staats 2021 (arXiv:2112.05682); Dao et al. 2022 (arXiv:2205.14135), §3.1
 * @example
 * const half = (from: number, to: number) => attention(q, slice(k, -2, from, to), slice(v, -2, from, to), { returns: ["lse"] });
 * const { output } = mergeByLse([half(0, 100), half(100, 200)]);
 */
export function mergeByLse(parts: readonly AttentionPart[]): AttentionPart {
  if (parts.length === 0)
    throw new ShapeError("mergeByLse", "there must be a part", { parts: 0 }, 'Parts are attention(…, { returns: ["lse"] }).');
  for (const { output, lse } of parts) {
    const like = sameShape(output.shape, parts[0].output.shape) && sameShape(lse.shape, output.shape.slice(0, -1));
    if (like) continue;
    const got = { output: output.shape, lse: lse.shape, "first output": parts[0].output.shape };
    throw new ShapeError(
      "mergeByLse",
      "parts must be alike, output [..., L, E] and lse [..., L]",
      got,
      "Parts differ in their keys alone.",
    );
  }
  const lse = stack(
    parts.map((part) => part.lse),
    0,
  );
  const outputs = stack(
    parts.map((part) => part.output),
    0,
  );
  return { output: sum(mul(unsqueeze(softmax(lse, 0), -1), outputs), 0), lse: logSumExp(lse, 0) };
}
