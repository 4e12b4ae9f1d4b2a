import { copyBytes, DTypeError, rowKernels, ShapeError, uint8View } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { normalizeAxis, sameShape, sizeOf, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { fillZero } from "./fill.ts";
import { checkedIndices } from "./internal/indices.ts";
import { gatherItems } from "./internal/move-items.ts";
import { slice } from "./views.ts";

/**
 * `y[…, i, …] = x[…, index[…, i, …], …]` along an axis: each element of the index picks one element of x.
 *
 * @param x of any dtype
 * @param index int32, of the rank of x; its other axes may be shorter than those of x, whose rest is left out then
 * @param axis along which indices count
 * @returns of the shape of the index
 * @throws {ShapeError} when ranks differ, another axis of the index is too long, or an index is out of range.
 *
 * Time O(size of the index).
 * @see PyTorch's `torch.gather`
 */
export function gather(x: Tensor, index: Tensor, axis: number): Tensor {
  requireTensor("gather", "x", x);
  const at = requireAligned("gather", x, "index", index, axis);
  const places = checkedIndices("gather", "index", index, x.shape[at]);
  let source = x;
  index.shape.forEach((length, other) => {
    if (other !== at && length < x.shape[other]) source = slice(source, other, 0, length);
  });
  return pick(source, places, at);
}

/**
 * x with `src[…, i, …]` added at position `index[…, i, …]` of an axis. Repeated indices add up, in row-major order of the index.
 *
 * @param x float32 or float64
 * @param index int32, of the shape of src
 * @param src of the shape of x but for `axis`
 * @param axis along which indices count
 * @throws {ShapeError} when shapes disagree, or an index is out of range.
 *
 * Time O(size of x + size of src).
 * @see PyTorch's `torch.scatter_add`
 */
export function scatterAdd(x: Tensor, index: Tensor, src: Tensor, axis: number): Tensor {
  requireTensor("scatterAdd", "x", x);
  requireTensor("scatterAdd", "src", src);
  const at = requireAligned("scatterAdd", x, "src", src, axis);
  requireTensor("scatterAdd", "index", index);
  if (!sameShape(index.shape, src.shape) || src.shape.some((length, other) => other !== at && length !== x.shape[other])) {
    throw new ShapeError("scatterAdd", `index must have the shape of src, and src that of x but for axis ${at}`, {
      x: x.shape,
      index: index.shape,
      src: src.shape,
    });
  }
  const dtype = requireReal("scatterAdd", x.dtype);
  if (src.dtype !== dtype)
    throw new DTypeError("scatterAdd", "x and src must have one dtype", { x: dtype, src: src.dtype }, "Convert one: cast(x, dtype).");
  const places = checkedIndices("scatterAdd", "index", index, x.shape[at]);
  return scatter("scatterAdd", x, src, places, x.shape, at);
}

function requireAligned(where: string, x: Tensor, name: string, other: Tensor, axis: number): number {
  requireTensor(where, name, other);
  const at = normalizeAxis(where, axis, x.rank);
  if (other.rank !== x.rank || other.shape.some((length, i) => i !== at && length > x.shape[i])) {
    throw new ShapeError(where, `${name} must have the rank of x, and fit it on all axes but ${at}`, { x: x.shape, [name]: other.shape });
  }
  return at;
}

/** `[outer, n, inner]` around an axis. */
function around(shape: Shape, axis: number): [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
}

/** `gather` of what was checked. */
function pick(x: Tensor, index: Tensor, axis: number): Tensor {
  const [outer, n, inner] = around(x.shape, axis);
  const out = computeOne("gather", [packed(x), index], index.shape, x.dtype, ([read, places], write) => {
    gatherItems(x.dtype, read, places, write, outer, n, index.shape[axis], inner);
  });
  const { shape } = x;
  return record("gather", out, [x], [index], (g) => [scatter("gather", undefined, g, index, shape, axis)]);
}

/** x, or zeros of `shape`, with src added at the index. */
function scatter(where: string, x: Tensor | undefined, src: Tensor, index: Tensor, shape: Shape, axis: number): Tensor {
  const dtype = requireReal(where, src.dtype);
  const [outer, n, inner] = around(shape, axis);
  const inputs = [packed(src), index, ...(x === undefined ? [] : [packed(x)])];
  const out = computeOne(where, inputs, shape, dtype, ([read, places, base], write) => {
    if (base === undefined) fillZero(dtype, write, shape);
    else copyBytes(uint8View(), base, uint8View(), write, sizeOf(shape) * bytesPer(dtype));
    if (src.size > 0) rowKernels.on(dtype).scatterAdd(read, places, write, outer, n, src.shape[axis], inner);
  });
  if (x === undefined) return record("scatterAdd", out, [src], [index], (g) => [pick(g, index, axis)]);
  return record("scatterAdd", out, [x, src], [index], (g, needs) => [
    needs[0] ? g : undefined,
    needs[1] ? pick(g, index, axis) : undefined,
  ]);
}
