import { DTypeError, ShapeError } from "@heed/kernels";
import { computeOne } from "../core/compute.ts";
import { bytesPer } from "../core/dtype.ts";
import { normalizeAxis, rowMajor } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";
import { slice } from "./views.ts";

/**
 * Tensors one after the other along an axis. A part may have length 0 there.
 *
 * @param parts at least one; of one dtype, and of one shape but for `axis`
 * @param axis default 0
 * @throws {ShapeError} without parts, or when another axis disagrees; {DTypeError} when dtypes differ.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.cat`
 */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  requireParts("concat", parts);
  const { shape: like, dtype, rank } = parts[0];
  if (rank === 0) throw new ShapeError("concat", "parts must have at least one axis", { "part 0": like }, "Use stack for scalars.");
  const at = normalizeAxis("concat", axis, rank);
  parts.forEach((part, i) => {
    if (part.rank !== rank || part.shape.some((length, other) => other !== at && length !== like[other])) {
      throw new ShapeError("concat", `parts must have one shape but for axis ${at}`, { "part 0": like, [`part ${i}`]: part.shape });
    }
    if (part.dtype !== dtype)
      throw new DTypeError(
        "concat",
        "dtypes must agree: nothing is promoted silently",
        { "part 0": dtype, [`part ${i}`]: part.dtype },
        "Convert one: cast(x, dtype).",
      );
  });
  const starts: number[] = [];
  let length = 0;
  for (const part of parts) {
    starts.push(length);
    length += part.shape[at];
  }
  const shape = like.map((n, other) => (other === at ? length : n));
  const strides = rowMajor(shape);
  const out = computeOne("concat", parts, shape, dtype, (reads, write) => {
    parts.forEach((part, i) => copy(dtype, part.shape, reads[i], part.strides, write + starts[i] * strides[at] * bytesPer(dtype), strides));
  });
  const lengths = parts.map((part) => part.shape[at]);
  return record("concat", out, parts, [], (g, needs) =>
    starts.map((start, i) => (needs[i] ? slice(g, at, start, start + lengths[i]) : undefined)),
  );
}

export function requireParts(where: string, parts: readonly Tensor[]): void {
  const list: unknown = parts;
  if (!Array.isArray(list) || list.length === 0)
    throw new ShapeError(where, "parts must be a list of at least one tensor", {
      parts: Array.isArray(list) ? "an empty list" : typeof list,
    });
  list.forEach((part, i) => requireTensor(where, `part ${i}`, part));
}
