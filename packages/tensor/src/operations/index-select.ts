import { rowKernels, ShapeError } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { normalizeAxis, sizeOf, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { fillZero } from "./fill.ts";
import { checkedIndices } from "./internal/indices.ts";
import { selectRows } from "./internal/move-items.ts";

/**
 * Slices of x along an axis, in the order of the index, which may repeat.
 *
 * @param x of any dtype
 * @param index int32 `[n]`
 * @param axis default 0
 * @returns the shape of x, with length n on `axis`
 * @throws {ShapeError} when the index is no vector, or an entry is out of range.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.index_select`
 */
export function indexSelect(x: Tensor, index: Tensor, axis = 0): Tensor {
  requireTensor("indexSelect", "x", x);
  requireTensor("indexSelect", "index", index);
  const at = normalizeAxis("indexSelect", axis, x.rank);
  if (index.rank !== 1)
    throw new ShapeError("indexSelect", "index must have one axis", { index: index.shape }, "Use gather, or embedding for rows.");
  return select(x, checkedIndices("indexSelect", "index", index, x.shape[at]), at);
}

/** `indexSelect` of what was checked. */
function select(x: Tensor, index: Tensor, axis: number): Tensor {
  const { shape } = x;
  const [outer, n, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
  const picked = shape.map((length, i) => (i === axis ? index.size : length));
  const out = computeOne("indexSelect", [packed(x), index], picked, x.dtype, ([read, ids], write) => {
    selectRows(x.dtype, read, ids, write, outer, n, index.size, inner);
  });
  return record("indexSelect", out, [x], [index], (g) => [spread(g, index, shape, axis)]);
}

/** Zeros of `shape` with the slices of g added where the index says: the adjoint. */
function spread(g: Tensor, index: Tensor, shape: Shape, axis: number): Tensor {
  const dtype = requireReal("indexSelect", g.dtype);
  const [outer, n, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
  const out = computeOne("indexSelect", [packed(g), index], shape, dtype, ([read, ids], write) => {
    fillZero(dtype, write, shape);
    if (g.size === 0) return;
    const { scatterAddRows } = rowKernels.on(dtype);
    const row = inner * bytesPer(dtype);
    for (let o = 0; o < outer; o++) scatterAddRows(read + o * index.size * row, ids, write + o * n * row, index.size, inner);
  });
  return record("indexSelect gradient", out, [g], [index], (gg) => [select(gg, index, axis)]);
}
