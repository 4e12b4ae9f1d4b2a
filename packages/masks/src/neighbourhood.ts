import { HeedError, ShapeError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

export interface NeighbourhoodOptions {
  /** Rows and columns of the grid: queries and keys are its cells in row-major order. */
  readonly grid: readonly [rows: number, columns: number];
  /** How far a cell sees, in rows and columns or one number for both; 1 sees 3 × 3 cells. */
  readonly radius: number | readonly [rows: number, columns: number];
  /** Positions before the grid, such as a class token: they see everything, and all see them. Default 0. */
  readonly prefix?: number;
  /** Near the border cells see fewer others (`clip`, the default), or as many, of a neighbourhood moved inward (`shift`, as in NAT). */
  readonly border?: "clip" | "shift";
}

/**
 * Cells of a grid see the cells around them: the query at (r, c) may see the key at (r′, c′) if `|r − r′| ≤ radius[0]` and `|c − c′| ≤ radius[1]`.
 * Query i stands at cell i + queryOffset − prefix. A radius of 0 shows a cell itself alone.
 *
 * Letters: i query, r and c rows and columns of the grid; a primed one is the key's. L queries, S keys: as a tensor `[L, S]`.
 * @throws {HeedError} {ShapeError} for sizes that are no whole numbers, or another border; {ShapeError} when (in use) queries or keys are no cells.
 *
 * Time O(radius[0]) a row: 2 · radius[0] + 1 ranges, and one of the prefix.
 * @see Parmar et al. 2018 (arXiv:1802.05751), §3.2; Hassani et al. 2023 (NAT, arXiv:2204.07143)
 */
export function neighbourhood({ grid, radius, prefix = 0, border = "clip" }: NeighbourhoodOptions): DrawableMask {
  const [R, C] = grid;
  const [down, across] = typeof radius === "number" ? [radius, radius] : radius;
  for (const [name, n, least] of [
    ["rows", R, 1],
    ["columns", C, 1],
    ["radius", down, 0],
    ["radius", across, 0],
    ["prefix", prefix, 0],
  ] as const) {
    if (!Number.isInteger(n) || n < least)
      throw new HeedError("neighbourhood", `${name} must be a whole number, at least ${least}`, { [name]: n });
  }
  if (border !== "clip" && border !== "shift") throw new HeedError("neighbourhood", "border is clip or shift", { border });
  /** The neighbours [low, high) of one of n. */
  const around = (at: number, reach: number, n: number): readonly [number, number] => {
    const low = border === "clip" ? Math.max(0, at - reach) : Math.max(0, Math.min(at - reach, n - 2 * reach - 1));
    const high = border === "clip" ? at + reach + 1 : low + 2 * reach + 1;
    return [low, Math.min(n, high)];
  };
  return intervalMask(`neighbourhood(${R} × ${C}, ${down === across ? down : `${down} × ${across}`})`, {}, (context) => {
    const { L, S, queryOffset } = context;
    const offsets = typeof queryOffset === "number" ? [queryOffset] : [...queryOffset];
    const cells = prefix + R * C;
    if (S > cells || (L > 0 && offsets.some((offset) => offset < 0 || L + offset > cells)))
      throw new ShapeError(
        "neighbourhood",
        "queries and keys must be cells of the grid",
        {
          L,
          S,
          queryOffset: offsets[0],
          "cells with prefix": cells,
        },
        "Give the grid and prefix of this call, and queryOffset 0 where all cells are queries.",
      );
    return {
      batches: positionalBatches(context),
      heads: 1,
      fill: (b, _h, first, count, into) => {
        const position = first + offsetOf(context, b) - prefix;
        for (let cell = position; cell < position + count; cell++) {
          if (cell < 0) {
            into.row(0, S);
            continue;
          }
          into.push(0, Math.min(prefix, S));
          const [top, bottom] = around(Math.floor(cell / C), down, R);
          const [left, right] = around(cell % C, across, C);
          for (let r = top; r < bottom; r++) into.push(prefix + r * C + left, Math.min(S, prefix + r * C + right));
          into.endRow();
        }
      },
    };
  });
}
