import { bytesPer } from "../core/dtype.ts";
import { computeOne } from "../core/compute.ts";
import { rowMajor, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";
import { fillZero } from "./fill.ts";
import { slice } from "./views.ts";

/** Zeros of `shape`, with `g` at positions `first, first + step, …` of `axis`: the adjoint of `slice`. */
export function sliceGradient(g: Tensor, shape: Shape, axis: number, first: number, step: number): Tensor {
  const strides = rowMajor(shape);
  const out = computeOne("slice", [g], shape, g.dtype, ([from], to) => {
    fillZero(g.dtype, to, shape);
    const steps = strides.map((stride, i) => (i === axis ? stride * step : stride));
    copy(g.dtype, g.shape, from, g.strides, to + first * strides[axis] * bytesPer(g.dtype), steps);
  });
  const count = g.shape[axis];
  if (step === 1) out.band = [axis, first, count];
  const stop = step > 0 ? first + count * step : first + count * step < 0 ? undefined : first + count * step;
  return record("sliceGradient", out, [g], [], (gg) => [count === 0 ? slice(gg, axis, 0, 0) : slice(gg, axis, first, stop, step)]);
}
