import { math } from "@heed/kernels";
import { DTypeError, HeedError, ShapeError, Tensor, tensor } from "@heed/tensor";
import { ropeRates, type RopeScaling } from "./rope-scaling.ts";
import { rotate, type RotateOptions } from "./rotate.ts";

export interface RopeOptions extends RotateOptions {
  /**
   * Where the elements stand: the position of the first (default 0), all positions `[L]`, or int32 or real `[B, L]` for samples that differ. They
   * need not be whole.
   */
  readonly positions?: number | ArrayLike<number> | Tensor;
  /** Default 10,000. */
  readonly base?: number;
  /** How many leading features turn; the rest pass. Even. Default: all (of an odd width, all but the last). */
  readonly rotaryDim?: number;
  /** Multiplies positions: 1 / 4 reads a fourfold context as the trained one (position interpolation). Default 1. */
  readonly positionScale?: number;
  /** For contexts longer than the trained one. Default none. */
  readonly scaling?: RopeScaling;
}

/**
 * Rotary position embedding: pair i of the features of the element at position t turns by the angle t · positionScale · base^(−2i / rotaryDim),
 * (a, b) → (a cos − b sin, a sin + b cos); a `scaling` slows them (`ropeRates`). Turn queries and keys alike: their product then depends on the
 * distance alone.
 *
 * Letters: L length, D width. An element at position 0 stays as it is (but for yarn), as features from rotaryDim on do. Without elements: none.
 * @param x `[…, L, D]`
 * @returns the same shape. Lengths of vectors stay (but grow with yarn).
 * @throws {ShapeError} when rotaryDim is odd or above D, or positions do not fit; {HeedError} for a base or scale out of range; {DTypeError} for
 * positions that are no numbers.
 *
 * Time and memory O(size of x); the angles are computed in double precision, O(L D), on each call.
 * @see Su et al. 2021 (arXiv:2104.09864); Chen et al. 2023, position interpolation (arXiv:2306.15595)
 */
export function rope(x: Tensor, options: RopeOptions = {}): Tensor {
  const { style = "interleaved", base = 10_000, positionScale = 1, scaling } = options;
  if (x.rank < 2) throw new ShapeError("rope", "x must be [..., L, D]", { x: x.shape });
  if (x.dtype !== "float32" && x.dtype !== "float64") throw new DTypeError("rope", "x must be float32 or float64", { x: x.dtype });
  const [L, D] = x.shape.slice(-2);
  const { rotaryDim = D - (D % 2) } = options;
  if (!Number.isInteger(rotaryDim) || rotaryDim < 0 || rotaryDim > D || rotaryDim % 2 !== 0) {
    throw new ShapeError("rope", "rotaryDim must be even and at most the width of x", { x: x.shape, rotaryDim });
  }
  if (!Number.isFinite(positionScale)) throw new HeedError("rope", "positionScale must be finite", { positionScale });
  if (style !== "interleaved" && style !== "halfSplit") throw new HeedError("rope", "style is interleaved or halfSplit", { style });
  if (rotaryDim === 0) return x;

  const { values, batch } = positionsOf(x, options.positions ?? 0);
  const pairs = rotaryDim / 2;
  const length = values.length === 0 ? 0 : 1 + Array.from(values).reduce((most, position) => Math.max(most, position));
  const { rates, magnitude } = ropeRates(rotaryDim, { base, length, ...(scaling === undefined ? {} : { scaling }) });
  const shape = batch === undefined ? [L, pairs] : [batch, ...Array<number>(x.rank - 3).fill(1), L, pairs];
  const table = (turn: (angle: number) => number) =>
    tensor(
      Float64Array.from(
        { length: values.length * pairs },
        (_, k) => magnitude * turn(values[Math.floor(k / pairs)] * positionScale * rates[k % pairs]),
      ),
      {
        shape,
        dtype: x.dtype as "float32",
      },
    );
  const [cosines, sines] = [table(math.cos), table(math.sin)];
  return rotate(x, cosines, sines, { style });
}

function positionsOf(x: Tensor, given: number | ArrayLike<number> | Tensor): { values: ArrayLike<number>; batch?: number } {
  const L = x.shape.at(-2)!;
  if (typeof given === "number") {
    if (!Number.isFinite(given)) throw new HeedError("rope", "positions must be finite", { positions: given });
    return { values: Array.from({ length: L }, (_, t) => given + t) };
  }
  const shape = given instanceof Tensor ? given.shape : [given.length];
  const values = given instanceof Tensor ? (given.toTypedArray() as ArrayLike<number>) : given;
  const perSample = shape.length === 2 && x.rank >= 3 && shape[0] === x.shape[0];
  if (shape.at(-1) !== L || !(shape.length === 1 || perSample)) {
    throw new ShapeError("rope", "positions must be [L], or [B, L]", { positions: shape, x: x.shape }, "Or give the first: positions: 3.");
  }
  return perSample ? { values, batch: shape[0] } : { values };
}
