import { div, HeedError, matmul, maximum, norm, ShapeError, transpose, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { requireQueryKey } from "./internal/check.ts";
import { scaled } from "./internal/scaled.ts";

export interface CosineOptions {
  /** Divides the cosine: a number above 0, or a learned scalar or `[H]` tensor. Default 1. */
  readonly temperature?: number | Tensor;
  /** Lengths below this count as this much, so that a vector of zeros has the cosine 0 with all. Default 1e-8. */
  readonly eps?: number;
}

/**
 * `⟨query, key⟩ / (max(|query|, eps) · max(|key|, eps) · temperature)`: query `[…, L, D]`, key `[…, S, D]` → `[…, L, S]`. Angles alone count: at
 * temperature 1 scores lie within ±1, which softmax hardly tells apart; learned temperatures settle near 0.01 to 0.1.
 *
 * Letters: H heads, L queries, S keys, D width. A vector of zeros scores 0 with all; without queries or keys there are no scores.
 * @throws {HeedError} for a temperature or eps that is not above 0 and finite; {ShapeError} for a temperature in more than one axis; when the score
 * is used, {ShapeError} when widths differ, {DTypeError} when dtypes do.
 *
 * A dot product of unit vectors. Time O(L S D + (L + S) D).
 * @see Liu et al. 2022 (Swin v2, arXiv:2111.09883), §3.2; Henry et al. 2020 (query-key normalisation, arXiv:2010.04245)
 */
export function cosine({ temperature = 1, eps = 1e-8 }: CosineOptions = {}): Score {
  if (!(eps > 0 && Number.isFinite(eps))) throw new HeedError("cosine", "eps must be above 0 and finite", { eps });
  if (typeof temperature === "number" && !(temperature > 0 && Number.isFinite(1 / temperature) && Number.isFinite(temperature))) {
    throw new HeedError("cosine", "temperature must be above 0 and finite", { temperature }, "A scale of n is a temperature of 1 / n.");
  }
  if (typeof temperature !== "number" && temperature.rank > 1)
    throw new ShapeError("cosine", "a temperature tensor is a scalar or [H]", { temperature: temperature.shape });
  const scale = () => (typeof temperature === "number" ? 1 / temperature : div(1, temperature));
  const unit = (x: Tensor) => div(x, maximum(norm(x, -1, { keepDims: true }), eps));
  return {
    name: "cosine",
    dense(query, key) {
      requireQueryKey("cosine", query, key);
      return scaled(matmul(unit(query), transpose(unit(key))), scale());
    },
    lower(query, key) {
      requireQueryKey("cosine", query, key);
      return { form: "dot", query: unit(query), key: unit(key), scale: scale() };
    },
    parameters: (): Record<string, Tensor> => (typeof temperature === "number" ? {} : { temperature }),
  };
}
