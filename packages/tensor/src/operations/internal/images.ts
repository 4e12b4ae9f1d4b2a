import { ShapeError } from "@heed/kernels";
import { requireTensor, type Tensor } from "../../core/tensor.ts";

/** A number for both, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

/** A pair of integers of at least `least`. */
export function pairOf(where: string, name: string, value: Pair, least: number): [number, number] {
  const pair = typeof value === "number" ? [value, value] : [...value];
  if (pair.length !== 2 || !pair.every((n) => Number.isInteger(n) && n >= least)) {
    throw new ShapeError(where, `${name} must be an integer of at least ${least}, or a [vertical, horizontal] pair of them`, {
      [name]: value,
    });
  }
  return pair as [number, number];
}

export function requireImages(where: string, x: Tensor): void {
  requireTensor(where, "x", x);
  if (x.rank !== 4)
    throw new ShapeError(where, "x must be [B, C, H, W]", { shape: x.shape }, "Add a batch or channel axis with unsqueeze.");
}
