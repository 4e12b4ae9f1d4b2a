import { ShapeError } from "@heed/kernels/light";
import { packed } from "../core/compute.ts";
import {
  broadcastStrides,
  isRowMajor,
  normalizeAxis,
  requireList,
  requireShape,
  rowMajor,
  sameShape,
  sizeOf,
  type Shape,
} from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, Tensor } from "../core/tensor.ts";
import { sumTo } from "./sum-to.ts";
import { sliceGradient } from "./slice-gradient.ts";

/**
 * Swaps two axes (the last two by default): `[…, rows, columns]` → `[…, columns, rows]`. A view.
 * @throws {ShapeError} for an axis out of range.
 *
 * Time O(rank).
 * @see PyTorch's `torch.transpose`
 */
export function transpose(x: Tensor, axis0 = -2, axis1 = -1): Tensor {
  requireTensor("transpose", "x", x);
  const a = normalizeAxis("transpose", axis0, x.rank);
  const b = normalizeAxis("transpose", axis1, x.rank);
  const out = new Tensor(x.storage, swapped(x.shape, a, b), swapped(x.strides, a, b), x.offset);
  return record("transpose", out, [x], [], (g) => [transpose(g, a, b)]);
}

function swapped(list: readonly number[], a: number, b: number): number[] {
  const result = list.slice();
  result[a] = list[b];
  result[b] = list[a];
  return result;
}

/**
 * Reorders all axes: axis i of the result is axis `axes[i]` of x. A view.
 * @throws {ShapeError} when `axes` is no permutation.
 *
 * Time O(rank).
 * @see PyTorch's `torch.permute`
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  requireTensor("permute", "x", x);
  requireList("permute", axes);
  const order = axes.map((axis) => normalizeAxis("permute", axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError("permute", "axes must name every axis once", { axes, shape: x.shape });
  }
  const sorted = (list: readonly number[]) => order.map((axis) => list[axis]);
  const out = new Tensor(x.storage, sorted(x.shape), sorted(x.strides), x.offset);
  return record("permute", out, [x], [], (g) => [
    permute(
      g,
      order.map((_, axis) => order.indexOf(axis)),
    ),
  ]);
}

/**
 * The same elements in row-major order under another `shape`; one length may be -1, which is inferred. A view where the
 * strides allow it, else a copy.
 * @throws {ShapeError} when `shape` is no list, the number of elements differs, or -1 cannot be inferred.
 *
 * Time O(rank), or of the copy O(size of x).
 * @see PyTorch's `torch.reshape`
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensor("reshape", "x", x);
  requireList("reshape", shape);
  const inferred = inferShape(x.shape, shape);
  const strides = viewStrides(x.shape, x.strides, inferred);
  const source = strides === undefined ? packed(x) : x;
  const out = new Tensor(source.storage, inferred, strides ?? rowMajor(inferred), source.offset);
  const before = x.shape;
  return record("reshape", out, [x], [], (g) => [reshape(g, before)]);
}

function inferShape(from: Shape, to: Shape): number[] {
  const shape = [...to];
  const size = sizeOf(from);
  let known = 1;
  let hole = -1;
  let isRight = true;
  for (let axis = 0; axis < shape.length; axis++) {
    const length = shape[axis];
    if (length === -1 && hole < 0) hole = axis;
    else if (Number.isInteger(length) && length >= 0) known *= length;
    else isRight = false;
  }
  if (hole >= 0) {
    shape[hole] = size / known;
    isRight &&= known > 0 && Number.isInteger(shape[hole]);
  } else isRight &&= known === size;
  if (!isRight) throw new ShapeError("reshape", "the number of elements must stay the same (one length may be -1)", { from, to });
  return shape;
}

/** Strides that show a window under another shape without copying, if there are any. */
function viewStrides(shape: Shape, strides: readonly number[], to: Shape): number[] | undefined {
  if (isRowMajor(shape, strides)) return rowMajor(to);
  // Walk runs of axes that are dense among themselves, and cut each anew.
  const result = new Array<number>(to.length).fill(0);
  let at = to.length - 1;
  for (let axis = shape.length - 1; axis >= 0;) {
    let step = strides[axis];
    let run = shape[axis--];
    if (run === 1) continue;
    for (; axis >= 0 && (shape[axis] === 1 || strides[axis] === step * run); axis--) run *= shape[axis];
    while (run > 1) {
      if (at < 0) return undefined;
      const length = to[at];
      if (run % length !== 0) return undefined;
      result[at--] = step;
      step *= length;
      run /= length;
    }
  }
  for (; at >= 0; at--) result[at] = 0;
  return to.every((length, axis) => length === 1 || result[axis] !== 0) ? result : undefined;
}

/**
 * Elements `start, start + step, …` before `stop` of one axis, as in Python: negative positions count from the end, and
 * positions beyond the ends are clipped. A view, of the shape of x but for that axis.
 *
 * What is left out has gradient 0, whatever it holds. Linear layers, norms, dropout and functions of elements before a slice of step 1 know that:
 * where it leaves out half of the rows or more, their gradients cost what its rows cost (of a class token, say, or of a last one).
 * @throws {ShapeError} for a step that is 0 or no integer.
 *
 * Time O(rank).
 * @see NumPy's `x[start:stop:step]`
 */
export function slice(x: Tensor, axis: number, start?: number, stop?: number, step = 1): Tensor {
  requireTensor("slice", "x", x);
  const at = normalizeAxis("slice", axis, x.rank);
  const length = x.shape[at];
  if (!Number.isInteger(step) || step === 0 || ![start, stop].every((p) => p === undefined || Number.isInteger(p))) {
    throw new ShapeError("slice", "start, stop and step must be integers, step not 0", { start, stop, step });
  }
  const clip = (position: number, low: number, high: number) => Math.min(Math.max(position < 0 ? position + length : position, low), high);
  const [first, end] =
    step > 0
      ? [start === undefined ? 0 : clip(start, 0, length), stop === undefined ? length : clip(stop, 0, length)]
      : [start === undefined ? length - 1 : clip(start, -1, length - 1), stop === undefined ? -1 : clip(stop, -1, length - 1)];
  const count = Math.max(0, Math.ceil((end - first) / step));
  const shape = x.shape.map((n, i) => (i === at ? count : n));
  const strides = x.strides.map((s, i) => (i === at ? s * step : s));
  // An empty view stays where it is: its strides mean nothing, and must not lead out of the storage.
  const out = new Tensor(x.storage, shape, strides, sizeOf(shape) === 0 ? x.offset : x.offset + first * x.strides[at]);
  const before = x.shape;
  return record("slice", out, [x], [], (g) => [sliceGradient(g, before, at, first, step)]);
}

/**
 * Stretches axes of length 1 to those of `shape`, and adds axes in front: -1 keeps a length. A view.
 * @throws {ShapeError} when an axis of another length would have to stretch.
 *
 * Time O(rank).
 * @see PyTorch's `Tensor.expand`
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  requireTensor("expand", "x", x);
  requireList("expand", shape);
  const lead = shape.length - x.rank;
  const full = shape.map((length, axis) => (length === -1 && axis >= lead ? x.shape[axis - lead] : length));
  requireShape("expand", full);
  if (lead < 0 || !x.shape.every((length, axis) => length === full[axis + lead] || length === 1)) {
    throw new ShapeError("expand", "only axes of length 1 stretch, and new axes come in front", { from: x.shape, to: shape });
  }
  const out = new Tensor(x.storage, full, broadcastStrides(x.shape, x.strides, full), x.offset);
  const before = x.shape;
  return record("expand", out, [x], [], (g) => [sumTo(g, before)]);
}

/**
 * `x` itself when it has the shape, else `expand`. Time O(rank).
 * @throws {ShapeError} as `expand`.
 * @see PyTorch's `torch.broadcast_to`
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : expand(x, shape);
}

/**
 * Drops one axis of length 1, or all of them: `[2, 1, 3]` → `[2, 3]`. A view. Time O(rank).
 * @throws {ShapeError} for an axis of another length.
 * @see PyTorch's `torch.squeeze`
 */
export function squeeze(x: Tensor, axis?: number): Tensor {
  requireTensor("squeeze", "x", x);
  const at = axis === undefined ? undefined : normalizeAxis("squeeze", axis, x.rank);
  if (at !== undefined && x.shape[at] !== 1) throw new ShapeError("squeeze", "the axis must have length 1", { shape: x.shape, axis });
  return reshape(
    x,
    x.shape.filter((length, i) => (at === undefined ? length !== 1 : i !== at)),
  );
}

/**
 * Inserts an axis of length 1 at `axis` of the result: `[2, 3]` → `[2, 1, 3]`. A view. Time O(rank).
 * @throws {ShapeError} for an axis out of range.
 * @see PyTorch's `torch.unsqueeze`
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  requireTensor("unsqueeze", "x", x);
  const at = normalizeAxis("unsqueeze", axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}
