import { runItems, softmaxKernels, type SoftmaxKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { normalizeAxis } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { mul, neg, sub } from "./arithmetic.ts";
import { exp } from "./exponential.ts";
import { sum } from "./sum.ts";
import { transpose } from "./views.ts";
import { widened } from "./widened.ts";

/**
 * `e^x / Σ e^x` along an axis (the last by default), any shape → the same, with the maximum taken out first: nothing overflows. Elements of −∞
 * get 0; where all are −∞, so do all.
 * @throws {ShapeError} for an axis out of range; {DTypeError} unless x is float.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.softmax`
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return alongLast("softmax", x, axis, softmaxOfRows);
}

/**
 * `x − ln Σ e^x` along an axis (the last by default): the logarithm of softmax, accurate where that is tiny or the row far
 * from 0. Elements of −∞ stay −∞. Shapes and errors as of `softmax`. Time O(size of x).
 * @see PyTorch's `torch.log_softmax`
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return alongLast("logSoftmax", x, axis, logSoftmaxOfRows);
}

function alongLast(where: string, x: Tensor, axis: number, rows: (x: Tensor) => Tensor): Tensor {
  requireTensor(where, "x", x);
  const wide = widened(x);
  requireReal(where, wide.dtype);
  const at = normalizeAxis(where, axis, x.rank);
  return at === x.rank - 1 ? rows(wide) : transpose(rows(transpose(wide, at, -1)), at, -1);
}

function softmaxOfRows(x: Tensor): Tensor {
  const out = onRows("softmax", "softmax", [x]);
  return record("softmax", out, [x], [out], (g) => [softmaxGradient(out, g)]);
}

/** y (g − Σ y g), from the result y. */
function softmaxGradient(y: Tensor, g: Tensor): Tensor {
  const out = onRows("gradient of softmax", "softmaxGrad", [y, g]);
  return record("gradient of softmax", out, [y, g], [y, g], (gg, needs) => [
    needs[0] ? sub(mul(gg, sub(g, rowSum(mul(y, g)))), mul(g, rowSum(mul(gg, y)))) : undefined,
    needs[1] ? softmaxGradient(y, gg) : undefined, // The Jacobian is symmetric.
  ]);
}

function logSoftmaxOfRows(x: Tensor): Tensor {
  const out = onRows("logSoftmax", "logSoftmax", [x]);
  return record("logSoftmax", out, [x], [out], (g) => [logSoftmaxGradient(out, g)]);
}

/** g − e^y Σ g, from the result y. */
function logSoftmaxGradient(y: Tensor, g: Tensor): Tensor {
  const out = onRows("gradient of logSoftmax", "logSoftmaxGrad", [y, g]);
  return record("gradient of logSoftmax", out, [y, g], [y, g], (gg, needs) => [
    needs[0] ? neg(mul(mul(gg, exp(y)), rowSum(g))) : undefined,
    needs[1] ? sub(gg, rowSum(mul(gg, exp(y)))) : undefined,
  ]);
}

function rowSum(x: Tensor): Tensor {
  return sum(x, -1, { keepDims: true });
}

/** For `runItems`: most of it is the exponential. */
const workPerElement = 30;

function onRows(where: string, name: keyof SoftmaxKernels, operands: readonly Tensor[]): Tensor {
  const [{ shape, size }] = operands;
  const dtype = requireReal(where, operands[0].dtype);
  const n = shape.at(-1)!;
  const rowBytes = n * bytesPer(dtype);
  return computeOne(where, operands.map(packed), shape, dtype, (reads, write) => {
    const args = (first: number, count: number) => [...[...reads, write].map((at) => at + first * rowBytes), count, n];
    if (size > 0) runItems(softmaxKernels, dtype, name, size / n, args, { work: workPerElement * n, rows: true });
  });
}
