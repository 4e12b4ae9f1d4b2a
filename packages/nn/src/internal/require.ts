import { DTypeError, HeedError, ShapeError, type Tensor } from "@heed/tensor";
import { requireTensor, sameShape } from "@heed/tensor/operation";

/** Sizes of layers: whole numbers from 1 (or `least`) on. */
export function requireCount(where: string, sizes: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < least)
      throw new ShapeError(where, `${name} must be a whole number, at least ${least}`, { [name]: size });
  }
}

/** Probabilities: from 0 up to but without 1. */
export function requireProbability(where: string, name: string, p: number): void {
  if (!(p >= 0 && p < 1)) throw new HeedError(where, `${name} must be in [0, 1)`, { [name]: p });
}

/** Rates and decays: finite, not negative. */
export function requireRate(where: string, name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) throw new HeedError(where, `${name} must be finite and not negative`, { [name]: value });
}

/** A value that is to be copied into `own`: a live tensor of its shape and dtype. */
export function requireLike(where: string, name: string, value: Tensor | undefined, own: Tensor): void {
  requireTensor(where, `"${name}"`, value);
  value.storage.check(where);
  if (!sameShape(value.shape, own.shape))
    throw new ShapeError(where, `"${name}" has another shape`, { own: own.shape, value: value.shape });
  if (value.dtype !== own.dtype) {
    throw new DTypeError(
      where,
      `"${name}" has another dtype`,
      { own: own.dtype, value: value.dtype },
      `Convert first: cast(value, "${own.dtype}").`,
    );
  }
}
