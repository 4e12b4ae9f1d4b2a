import { normal, reshape, ShapeError, UnsupportedError, type RandomKey, type Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";
import { requireCounts } from "./internal/require.ts";

/**
 * Relative positions in keys: the score of a query at position p = i + queryOffset for key j is scale · ⟨query, key + table[r]⟩ with r = clip(j − p,
 * −maxDistance, maxDistance) + maxDistance. Its counterpart in values is attention's option `valueTable`.
 *
 * Letters: H heads, D width of a query.
 * @param options.table `[2 · maxDistance + 1, D]`, or `[H | 1, 2 · maxDistance + 1, D]`
 * @throws {ShapeError} unless the table has an odd number of rows; {UnsupportedError} for its dense definition alone, which needs the query:
 * attention knows it. The score must be a dot product (`scaledDot`, `dot`, `bilinear`, `cosine`).
 *
 * Kernels read it as it is. Time O(L · maxDistance · D) a head more, memory nothing of L × S.
 * @see Shaw, Uszkoreit, Vaswani 2018, eq. 4 (arXiv:1803.02155)
 */
export function shaw({ table }: { readonly table: Tensor }): Bias {
  const rows = table.shape.at(-2) ?? 0;
  if ((table.rank !== 2 && table.rank !== 3) || rows % 2 === 0)
    throw new ShapeError("shaw", "table must be [2 · maxDistance + 1, D], or one per head", { table: table.shape }, "initShaw makes one.");
  return {
    name: "shaw",
    dense() {
      throw new UnsupportedError(
        "shaw",
        "the query takes part in it, so it has no dense definition of its own",
        {},
        "Pass it to attention as a bias.",
      );
    },
    lower: () => ({
      form: "queryRelative",
      table: table.rank === 3 ? table : reshape(table, [1, ...table.shape]),
      maxDistance: (rows - 1) / 2,
    }),
    parameters: () => ({ table }),
  };
}

/**
 * A fresh table for `shaw` or attention's `valueTable`, `[2 · maxDistance + 1, width]` or, with `numHeads`, one per head; normal with that
 * deviation. In a module hold it as a `Parameter`. maxDistance 0 is one vector for all distances. The same key draws the same numbers. Time O(size
 * of the table).
 * @throws {ShapeError} for sizes that are no whole numbers (maxDistance from 0, others from 1 on).
 * @see Shaw, Uszkoreit, Vaswani 2018, §3.2 (arXiv:1803.02155)
 */
export function initShaw(
  key: RandomKey,
  {
    maxDistance,
    width,
    numHeads,
    deviation = 0.02,
  }: { readonly maxDistance: number; readonly width: number; readonly numHeads?: number; readonly deviation?: number },
): Tensor {
  requireCounts("initShaw", { maxDistance }, 0);
  requireCounts("initShaw", { width, numHeads: numHeads ?? 1 });
  const shape = [2 * maxDistance + 1, width];
  return normal(key, numHeads === undefined ? shape : [numHeads, ...shape], { deviation, requiresGrad: true });
}
