import { DTypeError, float32View, float64View, int32View, uint8View, type BinaryKernels, type Family } from "@heed/kernels/light";
import { computeOne, packed, type Scratch } from "../core/compute.ts";
import { bytesPer, type DType } from "../core/dtype.ts";
import { broadcastShapes, broadcastStrides, sameShape, sizeOf } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { mergeAxes } from "./copy.ts";
import { widened } from "./widened.ts";

/** What arithmetic takes: a tensor, or a number of the other side's dtype. */
export type Operand = Tensor | number;

/** Widens stored half precision, and refuses to mix dtypes. */
export function operands(where: string, a: Operand, b: Operand): [Operand, Operand] {
  const [x, y] = [a, b].map((side) => (typeof side === "number" ? side : widened(side)));
  for (const side of [x, y]) {
    if (typeof side === "number" || side instanceof Tensor) continue;
    throw new DTypeError(where, "operands are tensors or numbers", { received: typeof side }, "Make one with tensor(…).");
  }
  if (typeof x === "number" && typeof y === "number") throw new DTypeError(where, "one operand must be a tensor", { a: x, b: y });
  if (typeof x !== "number" && typeof y !== "number" && x.dtype !== y.dtype) {
    throw new DTypeError(
      where,
      "dtypes must agree: nothing is promoted silently",
      { a: x.dtype, b: y.dtype },
      "Convert one: cast(x, dtype).",
    );
  }
  return [x, y];
}

type Kernel = BinaryKernels["add"];

/**
 * Runs a broadcasting kernel of two operands. Axes are merged; the kernel takes the two innermost, plain loops here the
 * rest. An operand whose innermost elements stand neither together nor still is copied dense first.
 */
export function applyBinary<K extends object>(
  where: string,
  family: Family<K>,
  name: keyof K & string,
  a: Operand,
  b: Operand,
  outDtype?: DType,
): Tensor {
  const dtype = (typeof a === "number" ? (b as Tensor) : a).dtype;
  if (a instanceof Tensor && b instanceof Tensor && sameShape(a.shape, b.shape) && a.isRowMajor && b.isRowMajor) {
    return applyDense(where, kernelFor(where, family, name, dtype), a, b, outDtype ?? dtype);
  }
  const shape = broadcastShapes(where, ...[a, b].flatMap((side) => (typeof side === "number" ? [] : [side.shape])));
  const result = outDtype ?? dtype;
  const kernel = kernelFor(where, family, name, dtype);
  const strides = [a, b].map((side) => (typeof side === "number" ? shape.map(() => 0) : broadcastStrides(side.shape, side.strides, shape)));
  const merged = mergeAxes(shape, strides);
  const [sa, sb] = merged.strides;
  const last = merged.lengths.length - 1;
  const empty = sizeOf(shape) === 0; // Any strides will do: nothing is read.
  if (!empty && sa[last] !== 0 && sa[last] !== 1) return applyBinary(where, family, name, packed(a as Tensor), b, outDtype);
  if (!empty && sb[last] !== 0 && sb[last] !== 1) return applyBinary(where, family, name, a, packed(b as Tensor), outDtype);
  const tensors = [a, b].filter((side): side is Tensor => typeof side !== "number");
  return computeOne(where, tensors, shape, result, (reads, out, scratch) => {
    if (empty) return;
    const x = typeof a === "number" ? constant(a, dtype, scratch) : reads[0];
    const y = typeof b === "number" ? constant(b, dtype, scratch) : reads.at(-1)!;
    const width = bytesPer(dtype);
    const [outer, inner] = last === 0 ? [1, merged.lengths[0]] : [merged.lengths[last - 1], merged.lengths[last]];
    const [ao, bo] = last === 0 ? [0, 0] : [sa[last - 1], sb[last - 1]];
    const stepOut = outer * inner * bytesPer(result);
    let to = out;
    const visit = (axis: number, p: number, q: number) => {
      if (axis >= last - 1) {
        kernel(p, ao, sa[last], q, bo, sb[last], to, outer, inner);
        to += stepOut;
        return;
      }
      for (let i = 0; i < merged.lengths[axis]; i++) visit(axis + 1, p + i * sa[axis] * width, q + i * sb[axis] * width);
    };
    visit(0, x, y);
  });
}

/** The common case: both operands lie as the result does. */
function applyDense(where: string, kernel: Kernel, a: Tensor, b: Tensor, result: DType): Tensor {
  const n = a.size;
  return computeOne(where, [a, b], a.shape, result, ([x, y], out) => {
    if (n > 0) kernel(x, 0, 1, y, 0, 1, out, 1, n);
  });
}

/** By the dtype of the operands. int32 has kernels of its own where it has any; `logical…` are of bytes. */
function kernelFor<K extends object>(where: string, family: Family<K>, name: keyof K & string, dtype: DType): Kernel {
  const kernels = family.on(dtype === "float64" ? "float64" : "float32") as Readonly<Record<string, Kernel | undefined>>;
  if (dtype === "float32" || dtype === "float64" || name.startsWith("logical")) return kernels[name]!;
  const integer = kernels[`${name}Int`];
  if (dtype === "int32" && integer !== undefined) return integer;
  throw new DTypeError(
    where,
    integer !== undefined ? "works on float32, float64 and int32" : "works on float32 and float64",
    { dtype },
    'Convert first: cast(x, "float32").',
  );
}

/** The address of one element with a value, for operands that are plain numbers. */
export function constant(value: number, dtype: DType, scratch: Scratch): number {
  const at = scratch(8);
  if (dtype === "float64") float64View()[at / 8] = value;
  else if (dtype === "int32") int32View()[at / 4] = value;
  else if (dtype === "float32") float32View()[at / 4] = value;
  else uint8View()[at] = value;
  return at;
}
