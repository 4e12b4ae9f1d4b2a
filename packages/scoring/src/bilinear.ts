import { matmul, transpose, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { requireParameter, requireQueryKey } from "./internal/check.ts";

/**
 * `queryᵀ · weight · key`, Luong's "general" score: query `[…, L, Dq]`, key `[…, S, Dk]` → `[…, L, S]`. Widths may differ.
 *
 * Letters: H heads, L queries, S keys, Dq and Dk their widths. Where a width is 0 all scores are 0; without queries or keys there are none.
 * @param options.weight `[Dq, Dk]`, or `[H, Dq, Dk]` for query `[…, H, L, Dq]`
 * @throws {ShapeError} when the weight does not fit them, {DTypeError} when dtypes differ. Both when the score is used.
 *
 * A dot product after one of query and weight. Time O(L Dq Dk + L S Dk).
 * @see Luong, Pham, Manning 2015 (arXiv:1508.04025)
 */
export function bilinear({ weight }: { readonly weight: Tensor }): Score {
  const projected = (query: Tensor, key: Tensor) => {
    requireQueryKey("bilinear", query, key, "any");
    requireParameter("bilinear", "weight", weight, [query.shape.at(-1)!, key.shape.at(-1)!], query);
    return matmul(query, weight);
  };
  return {
    name: "bilinear",
    dense: (query, key) => matmul(projected(query, key), transpose(key)),
    lower: (query, key) => ({ form: "dot", query: projected(query, key), key, scale: 1 }),
    parameters: () => ({ weight }),
  };
}
