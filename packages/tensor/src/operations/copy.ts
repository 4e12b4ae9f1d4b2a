import { copyKernels } from "@heed/kernels";
import { bytesPer, type DType } from "../core/dtype.ts";
import { rowMajor, sizeOf, type Shape } from "../core/shape.ts";

/**
 * Copies a strided window to a dense or strided one. Neighbouring axes that step alike on both sides are merged first, so
 * most copies are one or two long runs.
 */
export function copy(
  dtype: DType, shape: Shape, from: number, fromStrides: readonly number[], to: number, toStrides: readonly number[] = rowMajor(shape),
): void {
  if (sizeOf(shape) === 0) return;
  const { lengths, strides: [reads, writes] } = mergeAxes(shape, [fromStrides, toStrides]);
  const width = bytesPer(dtype);
  const kernels = copyKernels.on("float32");
  const kernel = width === 1 ? kernels.copy1 : width === 2 ? kernels.copy2 : width === 4 ? kernels.copy4 : kernels.copy8;
  const outer = Math.max(0, lengths.length - 4);
  const pad = Math.max(0, 4 - lengths.length);
  const at = (list: readonly number[], axis: number, fill: number) => (axis < pad ? fill : list[outer + axis - pad]);
  const n = [0, 1, 2, 3].map((axis) => at(lengths, axis, 1));
  const s = [0, 1, 2, 3].map((axis) => at(reads, axis, 0));
  const o = [0, 1, 2, 3].map((axis) => at(writes, axis, 0));
  const visit = (axis: number, read: number, write: number) => {
    if (axis === outer) {
      kernel(read, write, n[0], n[1], n[2], n[3], s[0], s[1], s[2], s[3], o[0], o[1], o[2], o[3]);
      return;
    }
    for (let i = 0; i < lengths[axis]; i++) visit(axis + 1, read + i * reads[axis] * width, write + i * writes[axis] * width);
  };
  visit(0, from, to);
}

/** Drops axes of length 1 and merges neighbours that all operands traverse in one stride. At least one axis is left. */
export function mergeAxes(shape: Shape, operands: readonly (readonly number[])[]): { lengths: number[]; strides: number[][] } {
  const lengths: number[] = [];
  const strides: number[][] = operands.map(() => []);
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const last = lengths.length - 1;
    if (last >= 0 && operands.every((operand, k) => strides[k][last] === operand[axis] * length)) {
      lengths[last] *= length;
      operands.forEach((operand, k) => (strides[k][last] = operand[axis]));
      return;
    }
    lengths.push(length);
    operands.forEach((operand, k) => strides[k].push(operand[axis]));
  });
  if (lengths.length === 0) {
    lengths.push(1);
    for (const list of strides) list.push(0);
  }
  return { lengths, strides };
}
