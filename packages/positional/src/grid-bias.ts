import { concat, indexSelect, normal, reshape, ShapeError, tensor, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import type { Bias, TermContext } from "@heed/tensor/terms";
import { requireCounts } from "./internal/require.ts";

export interface GridOptions {
  /** Rows and columns of the grid: keys and queries are its cells in row-major order. */
  readonly grid: readonly [rows: number, columns: number];
  /** Positions before the grid, such as a class token: pairs with one of them get 0. Default 0. */
  readonly prefix?: number;
}

/**
 * A learned number per head and offset in two dimensions: score + table[h, Δrow + R − 1, Δcolumn + C − 1], Δ = cell of the key less cell of the
 * query.
 *
 * Letters: H heads, L queries, S keys, R rows and C columns of the grid. Pairs with a position of the prefix get 0; L and S may differ, cells alone
 * count.
 * @param options.table `[H | 1, 2R − 1, 2C − 1]`
 * @throws {ShapeError} when the table does not fit the grid, or (when used) queries or keys lie outside of it.
 *
 * As an operand it is the table. Time O(H L S) for its dense definition, `[H, L, S]`.
 * @see Liu et al. 2021 (Swin, arXiv:2103.14030), §3.2; Bao et al. 2022 (BEiT, arXiv:2106.08254)
 */
export function gridBias({ table, grid, prefix = 0 }: GridOptions & { readonly table: Tensor }): Bias {
  requireGrid("gridBias", grid, prefix);
  const [R, C] = grid;
  if (table.rank !== 3 || table.shape[1] !== 2 * R - 1 || table.shape[2] !== 2 * C - 1) {
    throw new ShapeError(
      "gridBias",
      "table must be [H | 1, 2R − 1, 2C − 1]",
      { table: table.shape, grid },
      "resizeGridBias makes one for another grid.",
    );
  }
  return biasOfGrid("gridBias", grid, prefix, () => table, { table });
}

/**
 * A fresh table for `gridBias`, `[numHeads, 2R − 1, 2C − 1]`, normal with that deviation. In a module hold it as a `Parameter`.
 *
 * Letters: R rows and C columns of the grid. The same key draws the same numbers. Time O(numHeads R C).
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on.
 * @see Liu et al. 2021 (Swin, arXiv:2103.14030), whose code starts from the deviation 0.02
 */
export function initGridBias(
  key: RandomKey,
  { grid, numHeads, deviation = 0.02 }: { readonly grid: GridOptions["grid"]; readonly numHeads: number; readonly deviation?: number },
): Tensor {
  requireGrid("initGridBias", grid, 0);
  requireCounts("initGridBias", { numHeads });
  return normal(key, [numHeads, 2 * grid[0] - 1, 2 * grid[1] - 1], { deviation, requiresGrad: true });
}

/** A bias from a table of offsets that is computed when the bias is used. */
export function biasOfGrid(
  name: string,
  [R, C]: readonly [number, number],
  prefix: number,
  table: (context: TermContext) => Tensor,
  parameters: Readonly<Record<string, Tensor>>,
): Bias {
  const check = ({ L, S, queryOffset }: TermContext): number[] => {
    const offsets = typeof queryOffset === "number" ? [queryOffset] : Array.from(queryOffset);
    const cells = prefix + R * C;
    if (S > cells || offsets.some((offset) => L > 0 && (offset < 0 || L + offset > cells))) {
      const fix = "Give the grid and prefix of this call, and queryOffset 0 where all cells are queries.";
      const got = {
        L,
        S,
        queryOffset: offsets[0],
        "cells with prefix": cells,
      };
      throw new ShapeError(name, "queries and keys must be cells of the grid", got, fix);
    }
    return offsets;
  };
  return {
    name,
    dense(context) {
      const { L, S } = context;
      const offsets = check(context);
      const values = table(context);
      const H = values.shape[0];
      const size = (2 * R - 1) * (2 * C - 1);
      // One more column, which holds 0: what pairs with the prefix read.
      const flat = concat([reshape(values, [H, size]), zeros([H, 1], { dtype: values.dtype as "float32" })], 1);
      const at = new Int32Array(offsets.length * L * S);
      let pair = 0;
      for (const offset of offsets) {
        for (let i = 0; i < L; i++) {
          const query = i + offset - prefix;
          for (let j = 0; j < S; j++, pair++) {
            const key = j - prefix;
            if (query < 0 || key < 0) at[pair] = size;
            else {
              const row = Math.floor(key / C) - Math.floor(query / C) + R - 1;
              at[pair] = row * (2 * C - 1) + (key % C) - (query % C) + C - 1;
            }
          }
        }
      }
      const picked = reshape(indexSelect(flat, tensor(at), 1), [H, offsets.length, L, S]);
      return picked.transpose(0, 1);
    },
    lower(context) {
      check(context);
      return { form: "grid", table: table(context), prefix };
    },
    parameters: () => parameters,
  };
}

export function requireGrid(where: string, [rows, columns]: readonly [number, number], prefix: number): void {
  requireCounts(where, { rows, columns });
  requireCounts(where, { prefix }, 0);
}
