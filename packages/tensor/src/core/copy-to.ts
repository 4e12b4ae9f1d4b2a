import { copyBytes, DTypeError, ShapeError } from "@heed/kernels/light";
import type { DType } from "./dtype.ts";
import { bytesOf } from "./storage.ts";
import { requireTensor, type Tensor } from "./tensor.ts";

/** What holds elements outside: `toTypedArray` gives the same. */
const kinds: Readonly<Record<DType, string>> = {
  float32: "Float32Array",
  float64: "Float64Array",
  float16: "Float32Array",
  bfloat16: "Float32Array",
  int32: "Int32Array",
  uint8: "Uint8Array",
  bool: "Uint8Array",
};

/**
 * Writes the elements of `x` into an array that is there already, row-major, and gives the array back: `x.toTypedArray()` for loops that read a result
 * of one size again and again. A new array of 600 KB costs the system 70 to 120 µs, as much as GELU of its numbers.
 *
 * @param x of any shape, n elements; none when empty
 * @param target a Float32Array for float32, float16 and bfloat16, a Float64Array for float64, an Int32Array for int32, a Uint8Array for uint8 and bool
 * @param at the element of `target` that takes the first of `x`; default 0
 * @throws {DTypeError} for an array of another kind; {ShapeError} where there is no room for n elements from `at` on. Nothing was written then.
 *
 * Time O(n); no memory, but for views that do not lie row by row and for float16 and bfloat16, which take a copy.
 * @see `numpy.copyto`, with the names of `VideoFrame.copyTo` (https://www.w3.org/TR/webcodecs/)
 */
export function copyTo<T extends Float32Array | Float64Array | Int32Array | Uint8Array>(x: Tensor, target: T, at = 0): T {
  requireTensor("copyTo", "x", x);
  const { dtype, size, offset, storage } = x;
  const kind = kinds[dtype];
  const got = Object.prototype.toString.call(target).slice(8, -1);
  if (got !== kind) throw new DTypeError("copyTo", `target of ${dtype} must be a ${kind}`, { target: got }, `Pass new ${kind}(${size}).`);
  if (!(Number.isInteger(at) && at >= 0 && at + size <= target.length)) {
    throw new ShapeError(
      "copyTo",
      "target must have room for every element of x from at on",
      { x: x.shape, elements: size, "target.length": target.length, at },
      `Pass new ${kind}(${size}), and no at.`,
    );
  }
  if (!x.isRowMajor || dtype === "float16" || dtype === "bfloat16") {
    target.set(x.toTypedArray(), at);
    return target;
  }
  const [from, to] = [bytesOf(storage.read("copyTo")), bytesOf(target)];
  const width = target.BYTES_PER_ELEMENT;
  copyBytes(from, offset * width, to, at * width, size * width);
  return target;
}
