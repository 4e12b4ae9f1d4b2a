import { extremeKernels, ShapeError, softmaxKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, mul, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal } from "./comparisons.ts";
import { foldAxes, type ReduceOptions } from "./internal/fold-axes.ts";
import { checked, reduce, restore, type Axes } from "./internal/over-axes.ts";
import { sqrt } from "./powers.ts";
import { softmax } from "./softmax.ts";
import { sum } from "./sum.ts";
import { permute, reshape } from "./views.ts";
import { where } from "./where.ts";

export type { ReduceOptions } from "./internal/fold-axes.ts";
export type { Axes } from "./internal/over-axes.ts";

/**
 * The mean `Σ x / n` over all axes (a scalar) or some; NaN over none. Time O(size of x).
 * @see PyTorch's `torch.mean`
 */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const { wide, over } = checked("mean", x, axes);
  const count = countOf(wide, over);
  return record("mean", mul(reduce("mean", "sum", wide, over, options), 1 / count), [wide], [], (g) => [
    restore(mul(g, 1 / count), wide, over),
  ]);
}

export interface VarianceOptions extends ReduceOptions {
  /** Taken off the number of elements in the divisor. Default 1, the unbiased estimate; 0 gives that of a whole population. */
  readonly correction?: number;
}

/**
 * The variance over all axes (a scalar) or some, `Σ (x − mean)² / (n − correction)`, from differences to the mean; the divisor is at least 0, so
 * NaN or ∞ where n is not above the correction. Time O(size of x).
 * @see PyTorch's `torch.var`
 */
export function variance(x: Tensor, axes?: Axes, { correction = 1, ...options }: VarianceOptions = {}): Tensor {
  const { wide, over } = checked("variance", x, axes);
  const divisor = Math.max(0, countOf(wide, over) - correction);
  const fixed = wide.detach();
  const centred = sub(fixed, mean(fixed, over, { keepDims: true }));
  const out = mul(reduce("variance", "sumSquares", centred, over, options), 1 / divisor);
  // The mean moves too, but the differences to it sum to 0.
  return record("variance", out, [wide], [wide], (g) => [
    mul(restore(g, wide, over), mul(sub(wide, mean(wide, over, { keepDims: true })), 2 / divisor)),
  ]);
}

/**
 * The standard deviation, the root of `variance`; shapes and NaN as there. Its slope is not finite where it is 0. Time O(size of x).
 * @see PyTorch's `torch.std`
 */
export function std(x: Tensor, axes?: Axes, options: VarianceOptions = {}): Tensor {
  return sqrt(variance(x, axes, options));
}

/**
 * The largest element of `x` over all axes (a scalar) or some; NaN where there is one. Elements that tie for it share its gradient evenly.
 * @throws {ShapeError} over no elements.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.amax`
 */
export function max(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return extremum("max", x, axes, options);
}

/**
 * The smallest element of `x` over all axes (a scalar) or some; NaN, ties and errors as of `max`. Time O(size of x).
 * @see PyTorch's `torch.amin`
 */
export function min(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return extremum("min", x, axes, options);
}

function extremum(name: "max" | "min", x: Tensor, axes: Axes | undefined, options: ReduceOptions): Tensor {
  const { wide, over } = checked(name, x, axes);
  requireChoice(name, wide, over);
  const kernel = extremeKernels.on(requireReal(name, wide.dtype))[name];
  const out = foldAxes(name, wide, over, options, wide.dtype, kernel, kernel);
  return record(name, out, [wide], [wide, out], (g) => {
    const chosen = cast(equal(wide, restore(out.detach(), wide, over)), wide.dtype);
    return [mul(chosen, restore(div(g, sum(chosen, over, options)), wide, over))];
  });
}

/**
 * The Euclidean norm, `√(Σ x²)`, over all axes (a scalar) or some; 0 over none. Its gradient is 0 where it is 0. Time O(size of x).
 * @see PyTorch's `torch.linalg.vector_norm`
 */
export function norm(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const { wide, over } = checked("norm", x, axes);
  const out = sqrt(reduce("norm", "sumSquares", wide.detach(), over, options));
  return record("norm", out, [wide], [wide, out], (g) => {
    const zero = equal(out, 0);
    return [mul(wide, restore(div(where(zero, 0, g), where(zero, 1, out)), wide, over))];
  });
}

/**
 * `ln(Σ e^x)` over all axes (a scalar) or some, without overflow. −∞ over none and where every element is −∞, and there the gradient is 0.
 * Time O(size of x).
 * @see PyTorch's `torch.logsumexp`
 */
export function logSumExp(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  const { wide, over } = checked("logSumExp", x, axes);
  const kept = wide.shape.flatMap((_, axis) => (over.includes(axis) ? [] : [axis]));
  const rows = packed(permute(wide.detach(), [...kept, ...over]));
  const n = countOf(wide, over);
  const shape =
    options.keepDims === true ? wide.shape.map((length, axis) => (over.includes(axis) ? 1 : length)) : kept.map((axis) => wide.shape[axis]);
  const out = computeOne("logSumExp", [rows], shape, rows.dtype, ([read], write) => {
    if (sizeOf(shape) > 0) softmaxKernels.on(requireReal("logSumExp", rows.dtype)).logSumExp(read, write, sizeOf(shape), n);
  });
  return record("logSumExp", out, [wide], [wide], (g) => {
    // softmax(x), from x itself: e^(x − out) would lose digits when the result is far from 0.
    const order = [...kept, ...over];
    const arranged = permute(wide, order);
    const weights = reshape(softmax(reshape(arranged, [sizeOf(shape), n])), arranged.shape);
    return [
      mul(
        permute(
          weights,
          order.map((_, axis) => order.indexOf(axis)),
        ),
        restore(g, wide, over),
      ),
    ];
  });
}

/**
 * Where the largest element of `x` stands, int32: along one axis, which the shape then lacks, or (left out) in the flattened tensor. Of equal ones
 * the first; a NaN counts as the largest.
 * @throws {ShapeError} along an axis of length 0.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.argmax`
 */
export function argmax(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  return place("argmax", x, axis, options);
}

/**
 * Where the smallest element of `x` stands; shapes and errors as of `argmax`, and a NaN counts as the smallest. Time O(size of x).
 * @see PyTorch's `torch.argmin`
 */
export function argmin(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  return place("argmin", x, axis, options);
}

function place(name: "argmax" | "argmin", x: Tensor, axis: number | undefined, options: ReduceOptions): Tensor {
  const { wide, over } = checked(name, x, axis);
  requireChoice(name, wide, over);
  return foldAxes(name, wide, over, options, "int32", extremeKernels.on(requireReal(name, wide.dtype))[name]);
}

function requireChoice(name: string, x: Tensor, over: readonly number[]): void {
  if (countOf(x, over) > 0 || sizeOf(x.shape.filter((_, axis) => !over.includes(axis))) === 0) return;
  throw new ShapeError(name, "there must be an element to choose", { shape: x.shape, axes: over });
}

function countOf(x: Tensor, over: readonly number[]): number {
  return sizeOf(over.map((axis) => x.shape[axis]));
}
