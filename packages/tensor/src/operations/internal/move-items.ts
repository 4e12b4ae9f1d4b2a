import { linearMemory, rowKernels } from "@heed/kernels";
import { isReal, viewOf, type DType } from "../../core/dtype.ts";

/**
 * `out[o, i, :] = x[o, ids[i], :]` for dense `x [outer, n, width]`, `ids [count]`, `out [outer, count, width]`, of any dtype.
 * Addresses are in bytes.
 */
export function selectRows(
  dtype: DType,
  x: number,
  ids: number,
  out: number,
  outer: number,
  n: number,
  count: number,
  width: number,
): void {
  if (outer * count * width === 0) return;
  if (isReal(dtype)) {
    const bytes = dtype === "float32" ? 4 : 8;
    const { gatherRows } = rowKernels.on(dtype);
    for (let o = 0; o < outer; o++) gatherRows(x + o * n * width * bytes, ids, out + o * count * width * bytes, count, width);
    return;
  }
  const { buffer } = linearMemory();
  const from = viewOf(dtype, buffer, x, outer * n * width);
  const to = viewOf(dtype, buffer, out, outer * count * width);
  const rows = new Int32Array(buffer, ids, count);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < count; i++) {
      const start = (o * n + rows[i]) * width;
      to.set(from.subarray(start, start + width) as never, (o * count + i) * width);
    }
  }
}

/** `out[o, i, k] = x[o, index[o, i, k], k]` for dense `x [outer, n, inner]`, `index` and `out [outer, m, inner]`, of any dtype. */
export function gatherItems(dtype: DType, x: number, index: number, out: number, outer: number, n: number, m: number, inner: number): void {
  if (outer * m * inner === 0) return;
  if (isReal(dtype)) {
    rowKernels.on(dtype).gather(x, index, out, outer, n, m, inner);
    return;
  }
  const { buffer } = linearMemory();
  const from = viewOf(dtype, buffer, x, outer * n * inner);
  const to = viewOf(dtype, buffer, out, outer * m * inner);
  const places = new Int32Array(buffer, index, outer * m * inner);
  for (let o = 0, at = 0; o < outer; o++) {
    for (let i = 0; i < m; i++) for (let k = 0; k < inner; k++, at++) to[at] = from[(o * n + places[at]) * inner + k];
  }
}
