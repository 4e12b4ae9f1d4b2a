import { computeOne, packed } from "../../core/compute.ts";
import type { DType } from "../../core/dtype.ts";
import { sizeOf, type Shape } from "../../core/shape.ts";
import { Tensor } from "../../core/tensor.ts";

export interface ReduceOptions {
  /** Keeps reduced axes, with length 1. Default false. */
  readonly keepDims?: boolean;
}

/** Reduces the middle axis of a dense `[outer, n, inner]` to `[outer, inner]`. */
export type Fold = (read: number, write: number, outer: number, n: number, inner: number) => void;

/**
 * Reduces axes of x with a kernel that reduces one. Neighbours go together; runs of axes that lie apart go one after the
 * other, the last run first. Not recorded.
 *
 * @param axes distinct, ascending
 * @param refold for the runs after the first, where that differs (after sums of squares, sums)
 */
export function foldAxes(
  where: string,
  x: Tensor,
  axes: readonly number[],
  { keepDims = false }: ReduceOptions,
  dtype: DType,
  fold: Fold,
  refold: Fold = fold,
): Tensor {
  const reduced = new Set(axes);
  let part = packed(x);
  let shape: Shape = x.shape;
  const runs = runsOf(axes, shape);
  // Without axes there is still one call: a fold over one element each may change the value.
  for (const [i, [first, end]] of (runs.length === 0 ? [[0, 0]] : runs).entries()) {
    const [outer, n, inner] = [shape.slice(0, first), shape.slice(first, end), shape.slice(end)].map(sizeOf);
    const next = shape.map((length, axis) => (axis >= first && axis < end ? 1 : length));
    part = computeOne(where, [part], next, dtype, ([read], write) => {
      if (outer * inner > 0) (i === 0 ? fold : refold)(read, write, outer, n, inner);
    });
    shape = next;
  }
  const result = keepDims ? shape : x.shape.filter((_, axis) => !reduced.has(axis));
  return new Tensor(part.storage, result, undefined, part.offset);
}

/** Runs `[first, end)` of neighbouring axes, the last first. An axis of length 1 between two runs joins them. */
function runsOf(axes: readonly number[], shape: Shape): [number, number][] {
  const runs: [number, number][] = [];
  for (const axis of axes) {
    const last = runs.at(-1);
    if (last !== undefined && shape.slice(last[1], axis).every((length) => length === 1)) last[1] = axis + 1;
    else runs.push([axis, axis + 1]);
  }
  return runs.reverse();
}
