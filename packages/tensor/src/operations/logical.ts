import { DTypeError, logicKernels, uint8View } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { normalizeAxes } from "../core/shape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { applyBinary } from "./binary.ts";
import { foldAxes, type ReduceOptions } from "./internal/fold-axes.ts";

/**
 * `a ∧ b`, where both are true; bool, with NumPy's broadcasting of shapes. Time O(size of the result).
 * @throws {DTypeError} unless both are bool; {ShapeError} when shapes do not broadcast.
 * @see PyTorch's `torch.logical_and`
 */
export function logicalAnd(a: Tensor, b: Tensor): Tensor {
  return combine("logicalAnd", a, b);
}

/**
 * `a ∨ b`, where at least one is true; bool, with NumPy's broadcasting of shapes. Time O(size of the result).
 * @throws {DTypeError} unless both are bool; {ShapeError} when shapes do not broadcast.
 * @see PyTorch's `torch.logical_or`
 */
export function logicalOr(a: Tensor, b: Tensor): Tensor {
  return combine("logicalOr", a, b);
}

/**
 * `a ⊻ b`, where exactly one is true; bool, with NumPy's broadcasting of shapes. Time O(size of the result).
 * @throws {DTypeError} unless both are bool; {ShapeError} when shapes do not broadcast.
 * @see PyTorch's `torch.logical_xor`
 */
export function logicalXor(a: Tensor, b: Tensor): Tensor {
  return combine("logicalXor", a, b);
}

/**
 * `¬x`, true where x is false; bool, any shape → the same. Time O(size of x).
 * @throws {DTypeError} unless x is bool.
 * @see PyTorch's `torch.logical_not`
 */
export function logicalNot(x: Tensor): Tensor {
  requireBool("logicalNot", { x });
  return computeOne("logicalNot", [packed(x)], x.shape, "bool", ([read], write) => {
    if (x.size > 0) logicKernels.on("float32").logicalNot(read, write, x.size);
  });
}

/**
 * Whether any element of `x` is true, over all axes (a scalar) or some; false over none. Time O(size of x).
 * @see PyTorch's `torch.any`
 */
export function any(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return quantify("any", x, axes, options, 0, (found, value) => found | value);
}

/**
 * Whether all elements of `x` are true, over all axes (a scalar) or some; true over none. Time O(size of x).
 * @see PyTorch's `torch.all`
 */
export function all(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return quantify("all", x, axes, options, 1, (found, value) => found & value);
}

function combine(name: "logicalAnd" | "logicalOr" | "logicalXor", a: Tensor, b: Tensor): Tensor {
  requireBool(name, { a, b });
  return applyBinary(name, logicKernels, name, a, b);
}

function quantify(
  where: string,
  x: Tensor,
  axes: number | readonly number[] | undefined,
  options: ReduceOptions,
  start: number,
  one: (found: number, value: number) => number,
): Tensor {
  requireBool(where, { x });
  return foldAxes(where, x, normalizeAxes(where, axes, x.rank), options, "bool", (read, write, outer, n, inner) => {
    const bytes = uint8View();
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let found = start;
        for (let j = 0; j < n; j++) found = one(found, bytes[read + (o * n + j) * inner + i]);
        bytes[write + o * inner + i] = found;
      }
    }
  });
}

function requireBool(where: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    requireTensor(where, name, tensor);
    if (tensor.dtype !== "bool") throw new DTypeError(where, "works on bool", { [name]: tensor.dtype }, "Compare first: notEqual(x, 0).");
  }
}
