import { math } from "@heed/kernels";
import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";

export interface SinusoidalOptions {
  /** `interleaved` (default): sine at 2i, cosine at 2i + 1; `halves`: all the sines, then all the cosines (even width). */
  readonly style?: "interleaved" | "halves";
  /** Default 10,000. */
  readonly base?: number;
  /** Default `float32`. */
  readonly dtype?: "float32" | "float64";
}

/**
 * The fixed table of the Transformer: row t has sin(t / base^(2i / width)) and cos of the same, `[L, width]`. Angles are
 * computed in double precision.
 *
 * @param positions how many positions (0 … L − 1), or the positions themselves
 * @throws {ShapeError} for an odd width with `halves`.
 * @see Vaswani et al. 2017, §3.5
 */
export function sinusoidal(
  positions: number | ArrayLike<number>,
  width: number,
  { style = "interleaved", base = 10_000, dtype = "float32" }: SinusoidalOptions = {},
): Tensor {
  if (!Number.isInteger(width) || width < 1) throw new ShapeError("sinusoidal", "width must be a whole number from 1 on", { width });
  if (style === "halves" && width % 2 === 1)
    throw new ShapeError("sinusoidal", "halves need an even width", { width }, 'Use style "interleaved".');
  if (!(base > 0)) throw new HeedError("sinusoidal", "base must be above 0", { base });
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
