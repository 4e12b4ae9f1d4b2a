import { ShapeError } from "@heed/tensor";

/** Sizes of layers: whole numbers from 1 (or `least`) on. */
export function requireCount(where: string, sizes: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < least) throw new ShapeError(where, `${name} must be a whole number, at least ${least}`, { [name]: size });
  }
}

/** Probabilities: from 0 up to but without 1. */
export function requireProbability(where: string, name: string, p: number): void {
  if (!(p >= 0 && p < 1)) throw new ShapeError(where, `${name} must be in [0, 1)`, { [name]: p });
}
