import { HeedError, matmul, ShapeError, transpose, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { requireQueryKey } from "./internal/check.ts";
import { scaled } from "./internal/scaled.ts";

/**
 * `⟨query, key⟩`: query `[…, L, D]`, key `[…, S, D]` → `[…, L, S]`. Its spread grows with √D: `scaledDot` takes that out.
 *
 * Letters: L queries, S keys, D width.
 *
 * At D = 0 all scores are 0; without queries or keys there are none. L and S need not agree.
 * @throws {ShapeError} when widths differ, {DTypeError} when dtypes do. Both when the score is used.
 *
 * Time O(L S D).
 * @see Luong, Pham, Manning 2015 (arXiv:1508.04025)
 */
export function dot(): Score {
  return dotScore("dot", () => 1, {});
}

export interface ScaledDotOptions {
  /** A finite number, a scalar tensor, or one factor per head `[H]` (a learned temperature). Default 1 / √D. */
  readonly scale?: number | Tensor;
}

/**
 * `scale · ⟨query, key⟩`, by default with scale 1 / √D: query `[…, L, D]`, key `[…, S, D]` → `[…, L, S]`.
 *
 * Letters: H heads, L queries, S keys, D width.
 *
 * At D = 0 all scores are 0; without queries or keys there are none. L and S need not agree. Time O(L S D).
 * @throws {HeedError} for a scale that is not finite; {ShapeError} for a scale in more than one axis; when the score is used, {ShapeError} when widths
 * differ, {DTypeError} when dtypes do.
 * @see Vaswani et al. 2017, eq. 1 (arXiv:1706.03762)
 */
export function scaledDot({ scale }: ScaledDotOptions = {}): Score {
  if (typeof scale === "number" && !Number.isFinite(scale)) throw new HeedError("scaledDot", "scale must be finite", { scale });
  if (scale !== undefined && typeof scale !== "number" && scale.rank > 1) {
    throw new ShapeError("scaledDot", "a scale tensor is a scalar or [H]", { scale: scale.shape });
  }
  const learned: Record<string, Tensor> = scale === undefined || typeof scale === "number" ? {} : { scale };
  return dotScore("scaledDot", (width) => scale ?? (width === 0 ? 1 : 1 / Math.sqrt(width)), learned);
}

function dotScore(name: string, scaleAt: (width: number) => number | Tensor, learned: Readonly<Record<string, Tensor>>): Score {
  return {
    name,
    dense(query, key) {
      requireQueryKey(name, query, key);
      return scaled(matmul(query, transpose(key)), scaleAt(query.shape.at(-1)!));
    },
    lower(query, key) {
      requireQueryKey(name, query, key);
      return { form: "dot", query, key, scale: scaleAt(query.shape.at(-1)!) };
    },
    parameters: () => learned,
  };
}
