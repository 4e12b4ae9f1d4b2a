import { HeedError, ShapeError, type Tensor } from "@heed/tensor";

/** Sizes: whole numbers from 1 (or `least`) on. */
export function requireCounts(where: string, sizes: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < least)
      throw new ShapeError(where, `${name} must be a whole number, at least ${least}`, { [name]: size });
  }
}

/** The base of a geometric row of wavelengths. */
export function requireBase(where: string, base: number): void {
  if (!(base > 0 && Number.isFinite(base))) throw new HeedError(where, "base must be above 0 and finite", { base });
}

/** What positions are added to. */
export function requireWidth(where: string, x: Tensor, width: number): void {
  if (x.rank >= 2 && x.shape.at(-1) === width) return;
  throw new ShapeError(where, "x must be [..., length, width]", { x: x.shape, width });
}
