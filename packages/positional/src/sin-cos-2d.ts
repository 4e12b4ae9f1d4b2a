import { math } from "@heed/kernels";
import { ShapeError, tensor, type Tensor } from "@heed/tensor";
import { requireBase, requireCounts } from "./internal/require.ts";

export interface SinCos2dOptions {
  /** A row of zeros in front, for a class token. Default false. */
  readonly clsToken?: boolean;
  /** Default 10,000. */
  readonly base?: number;
  /** Default `float32`. */
  readonly dtype?: "float32" | "float64";
}

/**
 * The fixed 2-D table of MAE for a grid of patches, row-major: `[(1 +) height · width, embedDim]`. The first half of a row
 * encodes the column, the second the row, each as [sin(p · w), cos(p · w)] with w_i = base^(−i / (embedDim / 4)). `clsToken` puts a row of zeros in
 * front. Nothing is learned.
 * @throws {ShapeError} when embedDim is no multiple of 4, or sizes are no whole numbers from 1 on; {HeedError} for a base that is not above 0.
 *
 * Time O(height width embedDim).
 * @see He et al. 2022 (arXiv:2111.06377)
 */
export function sinCos2d(
  height: number,
  width: number,
  embedDim: number,
  { clsToken = false, base = 10_000, dtype = "float32" }: SinCos2dOptions = {},
): Tensor {
  requireCounts("sinCos2d", { height, width });
  if (!Number.isInteger(embedDim) || embedDim < 4 || embedDim % 4 !== 0) {
    throw new ShapeError("sinCos2d", "embedDim must be a multiple of 4", { embedDim });
  }
  requireBase("sinCos2d", base);
  const quarter = embedDim / 4;
  const rates = Array.from({ length: quarter }, (_, i) => math.pow(base, -i / quarter));
  const first = clsToken ? 1 : 0;
  const table = new Float64Array((first + height * width) * embedDim);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = (first + row * width + column) * embedDim;
      [column, row].forEach((position, half) => {
        rates.forEach((rate, i) => {
          table[at + 2 * half * quarter + i] = math.sin(position * rate);
          table[at + (2 * half + 1) * quarter + i] = math.cos(position * rate);
        });
      });
    }
  }
  return tensor(table, { dtype, shape: [first + height * width, embedDim] });
}
