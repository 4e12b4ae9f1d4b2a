import { math } from "@heed/kernels";
import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";
import { requireBase, requireCounts } from "./internal/require.ts";

export interface SinusoidalOptions {
  /** `interleaved` (default): sine at 2i, cosine at 2i + 1; `halves`: all the sines, then all the cosines (even width). */
  readonly style?: "interleaved" | "halves";
  /** Default 10,000. */
  readonly base?: number;
  /** Default `float32`. */
  readonly dtype?: "float32" | "float64";
}

/**
 * The fixed table of the Transformer: row t has sin(t / base^(2i / width)) and cos of the same, `[L, width]`. With an odd width the last column
 * is a sine. Angles are computed in double precision. Add it to the input. No positions: no rows.
 *
 * Letters: L positions.
 * @param positions how many positions (0 … L − 1), or the positions themselves, which need not be whole
 * @throws {ShapeError} for an odd width with `halves`, or sizes that are no whole numbers; {HeedError} for a base that is not above 0.
 *
 * Time O(L width), each time: `keep` what several steps need.
 * @see Vaswani et al. 2017, §3.5 (arXiv:1706.03762)
 */
export function sinusoidal(
  positions: number | ArrayLike<number>,
  width: number,
  { style = "interleaved", base = 10_000, dtype = "float32" }: SinusoidalOptions = {},
): Tensor {
  requireCounts("sinusoidal", { width });
  if (typeof positions === "number") requireCounts("sinusoidal", { positions }, 0);
  if (style !== "interleaved" && style !== "halves") throw new HeedError("sinusoidal", "style is interleaved or halves", { style });
  if (style === "halves" && width % 2 === 1) {
    throw new ShapeError("sinusoidal", "halves need an even width", { width }, 'Use style "interleaved".');
  }
  requireBase("sinusoidal", base);
  const at = typeof positions === "number" ? Array.from({ length: positions }, (_, t) => t) : Array.from(positions);
  const pairs = Math.ceil(width / 2);
  const rates = Array.from({ length: pairs }, (_, i) => 1 / math.pow(base, (2 * i) / width));
  const table = new Float64Array(at.length * width);
  at.forEach((t, row) => {
    rates.forEach((rate, i) => {
      const [sine, cosine] = style === "halves" ? [i, pairs + i] : [2 * i, 2 * i + 1];
      table[row * width + sine] = math.sin(t * rate);
      if (cosine < width) table[row * width + cosine] = math.cos(t * rate);
    });
  });
  return tensor(table, { dtype, shape: [at.length, width] });
}
