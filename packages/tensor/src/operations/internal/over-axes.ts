import { reduceKernels } from "@heed/kernels/light";
import { requireReal } from "../../core/dtype.ts";
import { normalizeAxes } from "../../core/shape.ts";
import { requireTensor, type Tensor } from "../../core/tensor.ts";
import { expand, reshape } from "../views.ts";
import { widened } from "../widened.ts";
import { foldAxes, type ReduceOptions } from "./fold-axes.ts";

/** One axis, some, or (left out) all. Negative ones count from the end. */
export type Axes = number | readonly number[];

/** `x`, widened, and which of its axes: distinct, ascending, from 0 on. */
export function checked(name: string, x: Tensor, axes: Axes | undefined): { wide: Tensor; over: number[] } {
  requireTensor(name, "x", x);
  const wide = widened(x);
  requireReal(name, wide.dtype);
  return { wide, over: normalizeAxes(name, axes, x.rank) };
}

/** `x` folded over those axes: sums, or sums of squares. Not recorded. */
export function reduce(name: string, kernel: "sum" | "sumSquares", x: Tensor, over: readonly number[], options: ReduceOptions): Tensor {
  const kernels = reduceKernels.on(requireReal(name, x.dtype));
  return foldAxes(name, x, over, options, x.dtype, kernels[kernel], kernels.sum);
}

/** What has one value per reduced group, spread over the group again: the adjoint of a sum. */
export function restore(g: Tensor, x: Tensor, over: readonly number[]): Tensor {
  return expand(
    reshape(
      g,
      x.shape.map((length, axis) => (over.includes(axis) ? 1 : length)),
    ),
    x.shape,
  );
}
