import { div, HeedError, mul, ShapeError, square, sub, sum, unsqueeze, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { requireQueryKey } from "./internal/check.ts";
import { scaled } from "./internal/scaled.ts";

/**
 * `−|query − key|² / (2 sigma²)`, the logarithm of a Gaussian kernel: query `[…, L, D]`, key `[…, S, D]` → `[…, L, S]`.
 * With softmax over the keys it is Nadaraya–Watson regression. Computed by differences, since |q|² − 2qk + |k|² cancels;
 * the dense form holds `[…, L, S, D]`, the lowered one does not.
 *
 * Letters: H heads, L queries, S keys, D width. At D = 0 all scores are 0; without queries or keys there are none.
 * @param options.sigma the bandwidth, above 0: a number, or a learned scalar or `[H]` tensor. Default 1
 * @throws {HeedError} for a sigma that is not above 0; {ShapeError} for one in more than one axis; when the score is used, {ShapeError} when widths
 * differ, {DTypeError} when dtypes do.
 *
 * Time O(L S D).
 * @see Nadaraya 1964, "On Estimating Regression"; Watson 1964, "Smooth Regression Analysis"; d2l.ai §11.2
 */
export function gaussian({ sigma = 1 }: { readonly sigma?: number | Tensor } = {}): Score {
  if (typeof sigma === "number" && !(sigma > 0 && Number.isFinite(1 / (sigma * sigma)))) {
    throw new HeedError("gaussian", "sigma must be above 0, and its square too", { sigma });
  }
  if (typeof sigma !== "number" && sigma.rank > 1)
    throw new ShapeError("gaussian", "a sigma tensor is a scalar or [H]", { sigma: sigma.shape });
  const scale = () => (typeof sigma === "number" ? -1 / (2 * sigma * sigma) : div(-0.5, mul(sigma, sigma)));
  return {
    name: "gaussian",
    dense(query, key) {
      requireQueryKey("gaussian", query, key);
      return scaled(sum(square(sub(unsqueeze(query, -2), unsqueeze(key, -3))), -1), scale());
    },
    lower(query, key) {
      requireQueryKey("gaussian", query, key);
      return { form: "distance", query, key, scale: scale() };
    },
    parameters: (): Record<string, Tensor> => (typeof sigma === "number" ? {} : { sigma }),
  };
}
