import { copyKernels } from "@heed/kernels/light";
import { bytesPer, type DType } from "../core/dtype.ts";
import { rowMajor, sizeOf, type Shape } from "../core/shape.ts";

/**
 * Copies a strided window to a dense or strided one. Neighbouring axes that step alike on both sides are merged first, so
 * most copies are one or two long runs.
 */
export function copy(
  dtype: DType,
  shape: Shape,
  from: number,
  fromStrides: readonly number[],
  to: number,
  toStrides: readonly number[] = rowMajor(shape),
): void {
  if (sizeOf(shape) === 0) return;
  const width = bytesPer(dtype);
  const {
    lengths,
    strides: [reads, writes],
  } = mergeAxes(shape, [fromStrides, toStrides]);
  const kernels = copyKernels.on("float32");
  const kernel = width === 1 ? kernels.copy1 : width === 2 ? kernels.copy2 : width === 4 ? kernels.copy4 : kernels.copy8;
  const outer = Math.max(0, lengths.length - 4);
  const [n, s, o] = [lastFour(lengths, 1), lastFour(reads, 0), lastFour(writes, 0)];
  const visit = (axis: number, read: number, write: number) => {
    if (axis === outer) {
      kernel(read, write, n[0], n[1], n[2], n[3], s[0], s[1], s[2], s[3], o[0], o[1], o[2], o[3]);
      return;
    }
    for (let i = 0; i < lengths[axis]; i++) visit(axis + 1, read + i * reads[axis] * width, write + i * writes[axis] * width);
  };
  visit(0, from, to);
}

/** The last four entries, with a filler in front where there are fewer. */
function lastFour(list: readonly number[], fill: number): readonly [number, number, number, number] {
  const n = list.length;
  return [n > 3 ? list[n - 4] : fill, n > 2 ? list[n - 3] : fill, n > 1 ? list[n - 2] : fill, list[n - 1]];
}

/** Drops axes of length 1 and merges neighbours that all operands traverse in one stride. At least one axis is left. */
export function mergeAxes(shape: Shape, operands: readonly (readonly number[])[]): { lengths: number[]; strides: number[][] } {
  const lengths: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const length = shape[axis];
    if (length === 1) continue;
    const last = lengths.length - 1;
    let merges = last >= 0;
    for (let k = 0; merges && k < operands.length; k++) merges = strides[k][last] === operands[k][axis] * length;
    if (merges) lengths[last] *= length;
    else lengths.push(length);
    for (let k = 0; k < operands.length; k++) strides[k][merges ? last : last + 1] = operands[k][axis];
  }
  if (lengths.length === 0) {
    lengths.push(1);
    for (const list of strides) list.push(0);
  }
  return { lengths, strides };
}
