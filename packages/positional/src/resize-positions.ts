import { concat, interpolate, permute, reshape, ShapeError, slice, type Tensor } from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";
import { requireCounts } from "./internal/require.ts";

export interface ResizeOptions {
  /** Cells that the table was made for: a side, or [rows, columns]. */
  readonly from: number | readonly [number, number];
  /** Cells that it is to serve. */
  readonly to: number | readonly [number, number];
  /** Default `bicubic`. */
  readonly mode?: "bicubic" | "bilinear";
  /** Widens the kernel where the grid shrinks. Default false; timm's is true. */
  readonly antialias?: boolean;
}

export interface ResizePositionsOptions extends ResizeOptions {
  /** Rows in front that have no place in the picture (class token, registers): they stay. Default 1. */
  readonly prefix?: number;
}

/**
 * A learned table of positions for another grid of patches, so that a model can read pictures of another size: the rows of the grid are an image of E
 * channels, resized.
 *
 * Letters: P = rows · columns cells of the old grid, primed of the new one; E width.
 * @param table `[prefix + rows · columns, E]`, or with a 1 in front
 * @returns `[prefix + rows′ · columns′, E]`, or with a 1 in front; the table itself where the grid stays. Gradients reach the table.
 * @throws {ShapeError} when the table does not fit `from` and `prefix`.
 *
 * Two matrix products. Time O(E rows′ columns (rows + columns′)).
 * @see Dosovitskiy et al. 2021, §3.2 (arXiv:2010.11929)
 */
export function resizePositions(table: Tensor, { from, to, prefix = 1, ...options }: ResizePositionsOptions): Tensor {
  const [rows, columns] = pairOf("resizePositions", "from", from);
  const size = pairOf("resizePositions", "to", to);
  requireCounts("resizePositions", { prefix }, 0);
  const [length, E] = table.shape.slice(-2);
  if (!(table.rank === 2 || (table.rank === 3 && table.shape[0] === 1)) || length !== prefix + rows * columns) {
    throw new ShapeError(
      "resizePositions",
      "the table must be [1, prefix + rows · columns, E]",
      { table: table.shape, from: [rows, columns], prefix },
      "prefix counts class token and registers; from is the grid of patches that the table was trained on.",
    );
  }
  if (sameShape(size, [rows, columns])) return table;
  const image = permute(reshape(slice(table, -2, prefix), [1, rows, columns, E]), [0, 3, 1, 2]);
  const resized = interpolate(image, { size, mode: "bicubic", ...options });
  const grid = reshape(permute(resized, [0, 2, 3, 1]), [...table.shape.slice(0, -2), size[0] * size[1], E]);
  return prefix === 0 ? grid : concat([slice(table, -2, 0, prefix), grid], -2);
}

/**
 * A table of `gridBias` for another grid: offsets −(R − 1) … R − 1 become −(R′ − 1) … R′ − 1, the outermost staying outermost.
 *
 * Letters: H heads, R rows and C columns of the old grid, primed of the new one. Time O(H R′ C (R + C′)), two matrix products.
 * @param table `[H | 1, 2R − 1, 2C − 1]`
 * @returns `[H | 1, 2R′ − 1, 2C′ − 1]`; the table itself where the grid stays. Gradients reach the table.
 * @throws {ShapeError} when the table does not fit `from`.
 * @see Liu et al. 2021 (Swin, arXiv:2103.14030), §3.2, on fine-tuning with another window
 */
export function resizeGridBias(table: Tensor, { from, to, ...options }: ResizeOptions): Tensor {
  const [before, after] = [pairOf("resizeGridBias", "from", from), pairOf("resizeGridBias", "to", to)].map((grid) =>
    grid.map((n) => 2 * n - 1),
  );
  if (table.rank !== 3 || !sameShape(table.shape.slice(1), before))
    throw new ShapeError(
      "resizeGridBias",
      "the table must be [H | 1, 2R − 1, 2C − 1]",
      { table: table.shape, from },
      "from is the grid that the table was made for.",
    );
  if (sameShape(before, after)) return table;
  const resized = interpolate(reshape(table, [1, ...table.shape]), { size: after as [number, number], mode: "bicubic", ...options });
  return reshape(resized, [table.shape[0], ...after]);
}

/** A side or [rows, columns] as a pair of whole numbers from 1 on. */
function pairOf(where: string, name: string, size: number | readonly [number, number]): readonly [number, number] {
  const pair = typeof size === "number" ? ([size, size] as const) : size;
  if (pair.length !== 2 || !pair.every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError(where, `${name} must be a whole number or a pair, from 1 on`, { [name]: size });
  return pair;
}
