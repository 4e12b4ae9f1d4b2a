import { computeOne } from "../core/compute.ts";
import { rowMajor, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";
import { fillZero } from "./fill.ts";

/** `y[…, i, …] = x[…, i, …, i, …]` for two axes of one length; the second goes. A view. */
export function diagonal(x: Tensor, axis0: number, axis1: number): Tensor {
  const rest = x.shape.map((_, axis) => axis).filter((axis) => axis !== axis1);
  const strides = rest.map((axis) => x.strides[axis] + (axis === axis0 ? x.strides[axis1] : 0));
  const out = new Tensor(
    x.storage,
    rest.map((axis) => x.shape[axis]),
    strides,
    x.offset,
  );
  const before = x.shape;
  return record("diagonal", out, [x], [], (g) => [diagonalGradient(g, before, axis0, axis1)]);
}

/** Zeros of `shape`, with `g` on the diagonal of two axes. */
function diagonalGradient(g: Tensor, shape: Shape, axis0: number, axis1: number): Tensor {
  const dense = rowMajor(shape);
  const strides = dense.map((stride, axis) => stride + (axis === axis0 ? dense[axis1] : 0)).filter((_, axis) => axis !== axis1);
  const out = computeOne("diagonal", [g], shape, g.dtype, ([from], to) => {
    fillZero(g.dtype, to, shape);
    copy(g.dtype, g.shape, from, g.strides, to, strides);
  });
  return record("diagonalGradient", out, [g], [], (gg) => [diagonal(gg, axis0, axis1)]);
}
