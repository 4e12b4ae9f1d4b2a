import { ShapeError } from "@heed/kernels";
import { zeros } from "../core/construct.ts";
import { normalizeAxis, rowMajor, sizeOf, type Shape } from "../core/shape.ts";
import { isRecording, recordMany } from "../core/tape.ts";
import { requireTensor, Tensor } from "../core/tensor.ts";
import { concat } from "./concat.ts";

/**
 * Cuts an axis of `x` into parts, of its shape but for that axis: views.
 *
 * @param lengths of the parts; or one length for all, where the last part may be shorter
 * @param axis default 0
 * @throws {ShapeError} when the lengths do not add up to the axis, or are not non-negative integers (a single one: positive).
 *
 * Time O(parts).
 * @see PyTorch's `torch.split`
 */
export function split(x: Tensor, lengths: number | readonly number[], axis = 0): Tensor[] {
  requireTensor("split", "x", x);
  const at = normalizeAxis("split", axis, x.rank);
  const whole = x.shape[at];
  if (typeof lengths === "number" && !(Number.isInteger(lengths) && lengths > 0))
    throw new ShapeError("split", "a part's length must be a positive integer", { lengths });
  const list = typeof lengths === "number" ? cut(whole, lengths) : lengths;
  if (!list.every((length) => Number.isInteger(length) && length >= 0) || list.reduce((sum, length) => sum + length, 0) !== whole) {
    throw new ShapeError("split", "lengths must be non-negative integers that add up to the axis", { lengths: list, shape: x.shape, axis });
  }
  let start = 0;
  const parts = list.map((length) => {
    const shape = x.shape.slice();
    shape[at] = length;
    // An empty view stays where it is: it must not lead out of the storage.
    const part = new Tensor(x.storage, shape, x.strides, sizeOf(shape) === 0 ? x.offset : x.offset + start * x.strides[at]);
    start += length;
    return part;
  });
  // The gradients of all parts are written once, side by side, where those of slices would each be padded and then added.
  recordMany("split", parts, [x], [], (cotangents) => {
    const all = parts.map(({ shape }, i) => cotangents[i] ?? zeros(shape, { dtype: x.dtype }));
    return [sideBySide(all, x.shape, at) ?? concat(all, at)];
  });
  return parts;
}

/** Parts of one length, the last one of what is left. */
function cut(whole: number, length: number): number[] {
  const parts = [];
  for (let start = 0; start === 0 || start < whole; start += length) parts.push(Math.min(length, whole - start));
  return parts;
}

/** What parts along an axis make together, where they lie as its views would, and nothing is recorded of them: no copy. */
function sideBySide(parts: readonly Tensor[], shape: Shape, at: number): Tensor | undefined {
  const strides = rowMajor(shape);
  const { storage, offset } = parts[0];
  let next = offset;
  for (const part of parts) {
    if (part.storage !== storage || part.offset !== next || (isRecording() && part.requiresGrad)) return undefined;
    if (part.strides.some((stride, axis) => stride !== strides[axis] && shape[axis] !== 1)) return undefined;
    next += part.shape[at] * strides[at];
  }
  return new Tensor(storage, shape, strides, offset);
}
