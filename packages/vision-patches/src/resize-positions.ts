import { concat, interpolate, permute, reshape, ShapeError, slice, type Tensor } from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";
import { pairOf } from "./internal/pair.ts";

export interface ResizePositionsOptions {
  /** Patches the table was made for: a side, or [rows, columns]. */
  readonly from: number | readonly [number, number];
  /** Patches it is to serve. */
  readonly to: number | readonly [number, number];
  /** Rows in front that have no place in the picture (class token, registers): they stay. Default 1. */
  readonly prefix?: number;
  /** Widens the kernel where the grid shrinks. Default false; timm's is true. */
  readonly antialias?: boolean;
}

/**
 * A table of positions for another grid of patches, so that a model can read pictures of another size: the rows of the grid
 * are an image of E channels, resized bicubically.
 *
 * @param table `[1, prefix + rows · columns, E]`
 * @returns `[1, prefix + rows′ · columns′, E]`; the table itself where the grid stays
 * @throws {ShapeError} when the table does not fit `from` and `prefix`.
 * @see Dosovitskiy et al. 2021, §3.2 (arXiv:2010.11929)
 */
export function resizePositions(table: Tensor, { from, to, prefix = 1, antialias = false }: ResizePositionsOptions): Tensor {
  const [rows, columns] = pairOf("resizePositions", "from", from);
  const size = pairOf("resizePositions", "to", to);
  if (!Number.isInteger(prefix) || prefix < 0)
    throw new ShapeError("resizePositions", "prefix must be a whole number, at least 0", { prefix });
  if (table.rank !== 3 || table.shape[0] !== 1 || table.shape[1] !== prefix + rows * columns) {
    throw new ShapeError("resizePositions", "the table must be [1, prefix + rows · columns, E]", {
      table: table.shape,
      from: [rows, columns],
      prefix,
    });
  }
  if (sameShape(size, [rows, columns])) return table;
  const E = table.shape[2];
  const image = permute(reshape(slice(table, 1, prefix), [1, rows, columns, E]), [0, 3, 1, 2]);
  const resized = interpolate(image, { size, mode: "bicubic", antialias });
  const grid = reshape(permute(resized, [0, 2, 3, 1]), [1, size[0] * size[1], E]);
  return prefix === 0 ? grid : concat([slice(table, 1, 0, prefix), grid], 1);
}
