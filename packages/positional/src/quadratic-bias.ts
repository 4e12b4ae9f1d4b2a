import { add, arange, ShapeError, mul, neg, reshape, square, slice, sub, type Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";
import { biasOfGrid, requireGrid, type GridOptions } from "./grid-bias.ts";

/**
 * The quadratic encoding of relative positions on a grid: score − α_h (|Δ|² − 2 ⟨center_h, Δ⟩), Δ = cell of the key less cell of the query, as
 * (rows, columns). A head looks most at `center`, and the more sharply the larger α is: with one head per tap it becomes a convolution.
 *
 * Letters: H heads, L queries, S keys, R rows and C columns of the grid. Pairs with a position of the prefix get 0; α = 0 leaves scores as they are.
 * @param options.centers `[H, 2]`, rows and columns
 * @param options.alpha `[H]`
 * @throws {ShapeError} when they do not fit, or (when used) queries or keys lie outside the grid.
 *
 * Time O(H R C): as an operand it is a table `[H, 2R − 1, 2C − 1]`, made on each call. Its dense definition, `[H, L, S]`, takes O(H L S).
 * @see Cordonnier, Loukas, Jaggi 2020, §3 (arXiv:1911.03584)
 */
export function quadraticBias({
  centers,
  alpha,
  grid,
  prefix = 0,
}: GridOptions & { readonly centers: Tensor; readonly alpha: Tensor }): Bias {
  requireGrid("quadraticBias", grid, prefix);
  const H = centers.shape[0];
  if (centers.rank !== 2 || centers.shape[1] !== 2 || alpha.rank !== 1 || alpha.shape[0] !== H) {
    throw new ShapeError("quadraticBias", "centers must be [H, 2], and alpha [H]", { centers: centers.shape, alpha: alpha.shape });
  }
  const [R, C] = grid;
  const table = () => {
    const dtype = centers.dtype as "float32" | "float64";
    const along = (axis: 0 | 1, n: number) => {
      const delta = reshape(arange(1 - n, n, 1, { dtype }), axis === 0 ? [1, 2 * n - 1, 1] : [1, 1, 2 * n - 1]);
      const center = reshape(slice(centers, 1, axis, axis + 1), [H, 1, 1]);
      return sub(square(delta), mul(mul(center, 2), delta));
    };
    return neg(mul(reshape(alpha, [H, 1, 1]), add(along(0, R), along(1, C))));
  };
  return biasOfGrid("quadraticBias", grid, prefix, table, { centers, alpha });
}
