import { DTypeError, logicKernels, ShapeError, type LogicKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, type DType } from "../core/dtype.ts";
import { broadcastShapes, broadcastStrides, sizeOf } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { constant, operands, type Operand } from "./binary.ts";
import { mergeAxes } from "./copy.ts";
import { sumTo } from "./sum-to.ts";

/**
 * `a` where the condition is true, else `b`; all three broadcast together. One of a and b may be a number. What is not chosen
 * gets no gradient, and its NaN or infinity does no harm.
 *
 * @param condition bool
 * @throws {ShapeError} when shapes do not broadcast; {DTypeError} when the condition is not bool, or dtypes of a and b differ.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.where`
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  requireTensor("where", "condition", condition);
  if (condition.dtype !== "bool")
    throw new DTypeError("where", "the condition must be bool", { condition: condition.dtype }, "Compare first: notEqual(x, 0).");
  const [x, y] = operands("where", a, b);
  return choose("where", condition, x, y);
}

/**
 * x, but `value` where the mask is true. Here true means replace, unlike in masks of attention.
 * @param mask bool, broadcastable to the shape of x
 * @throws {ShapeError} when the mask does not broadcast to the shape of x; {DTypeError} when it is not bool.
 *
 * Time O(size of x).
 * @see PyTorch's `Tensor.masked_fill`
 */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  requireTensor("maskedFill", "x", x);
  requireTensor("maskedFill", "mask", mask);
  if (mask.dtype !== "bool")
    throw new DTypeError("maskedFill", "the mask must be bool", { mask: mask.dtype }, "Compare first: notEqual(x, 0).");
  const out = choose("maskedFill", mask, value, operands("maskedFill", x, value)[0]);
  if (out.rank === x.rank && out.size === x.size) return out;
  throw new ShapeError("maskedFill", "the mask must broadcast to the shape of x", { x: x.shape, mask: mask.shape });
}

/** Runs the kernel over merged axes: it takes the two innermost, a loop here the rest. */
function choose(name: string, condition: Tensor, a: Operand, b: Operand): Tensor {
  const sides = [a, b].filter((side): side is Tensor => typeof side !== "number");
  const { dtype } = sides[0];
  const shape = broadcastShapes(name, condition.shape, ...sides.map((side) => side.shape));
  const stridesOf = (side: Operand) => (typeof side === "number" ? shape.map(() => 0) : broadcastStrides(side.shape, side.strides, shape));
  const { lengths, strides } = mergeAxes(shape, [condition, a, b].map(stridesOf));
  const last = lengths.length - 1;
  const empty = sizeOf(shape) === 0; // Any strides will do: nothing is read.
  const awkward = strides.map((list) => !empty && list[last] !== 0 && list[last] !== 1);
  const [c, x, y] = [condition, a, b].map((side, i) => (awkward[i] ? packed(side as Tensor) : side));
  const out = awkward.includes(true)
    ? choose(name, (c as Tensor).detach(), still(x), still(y))
    : computeOne(name, [condition, ...sides], shape, dtype, (reads, write, scratch) => {
        if (empty) return;
        const kernel = kernelFor(dtype);
        const width = bytesPer(dtype);
        const [outer, inner] = last === 0 ? [1, lengths[0]] : [lengths[last - 1], lengths[last]];
        const [[co, ci], [ao, ai], [bo, bi]] = strides.map((list) => [last === 0 ? 0 : list[last - 1], list[last]]);
        let to = write;
        const visit = (axis: number, p: number, q: number, r: number) => {
          if (axis >= last - 1) {
            kernel(p, co, ci, q, ao, ai, r, bo, bi, to, outer, inner);
            to += outer * inner * width;
            return;
          }
          for (let i = 0; i < lengths[axis]; i++)
            visit(axis + 1, p + i * strides[0][axis], q + i * strides[1][axis] * width, r + i * strides[2][axis] * width);
        };
        visit(
          0,
          reads[0],
          typeof a === "number" ? constant(a, dtype, scratch) : reads[1],
          typeof b === "number" ? constant(b, dtype, scratch) : reads.at(-1)!,
        );
      });
  return record(name, out, sides, [condition], (g, needs) =>
    sides.map((side, i) => {
      if (!needs[i]) return undefined;
      const first = i === 0 && typeof a !== "number"; // `where(c, x, x)` is allowed: places tell the sides apart.
      return sumTo(first ? choose(name, condition, g, 0) : choose(name, condition, 0, g), side.shape);
    }),
  );
}

/** Without a history, so that running again records nothing. */
function still(side: Operand): Operand {
  return typeof side === "number" ? side : side.detach();
}

function kernelFor(dtype: DType): LogicKernels["where"] {
  if (dtype === "float32" || dtype === "float64") return logicKernels.on(dtype).where;
  return dtype === "int32" ? logicKernels.on("float32").whereInt : logicKernels.on("float32").whereBytes;
}
