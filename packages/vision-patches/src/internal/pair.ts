import { ShapeError } from "@heed/tensor";

/** A side or [height, width] as a pair of whole numbers from 1 on. */
export function pairOf(where: string, name: string, size: number | readonly [number, number]): readonly [number, number] {
  const pair = typeof size === "number" ? ([size, size] as const) : size;
  if (pair.length !== 2 || !pair.every((n) => Number.isInteger(n) && n >= 1)) {
    throw new ShapeError(where, `${name} must be a whole number or a pair, from 1 on`, { [name]: size });
  }
  return pair;
}
