import { logicKernels } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { applyBinary, operands, type Operand } from "./binary.ts";

/**
 * `a > b`; bool, with NumPy's broadcasting; either may be a number. False where one is NaN. Shapes and errors as of `add`. Time O(size of the
 * result).
 * @see PyTorch's `torch.gt`
 */
export function greater(a: Operand, b: Operand): Tensor {
  return compare("greater", a, b);
}

/**
 * `a ≥ b`; shapes, NaN and errors as of `greater`. Time O(size of the result).
 * @see PyTorch's `torch.ge`
 */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return compare("greaterEqual", a, b);
}

/**
 * `a < b`; shapes, NaN and errors as of `greater`. Time O(size of the result).
 * @see PyTorch's `torch.lt`
 */
export function less(a: Operand, b: Operand): Tensor {
  return compare("less", a, b);
}

/**
 * `a ≤ b`; shapes, NaN and errors as of `greater`. Time O(size of the result).
 * @see PyTorch's `torch.le`
 */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return compare("lessEqual", a, b);
}

/**
 * `a = b`; shapes, NaN and errors as of `greater`. Time O(size of the result).
 * @see PyTorch's `torch.eq`
 */
export function equal(a: Operand, b: Operand): Tensor {
  return compare("equal", a, b);
}

/**
 * `a ≠ b`; shapes and errors as of `greater`, but true where one is NaN. Time O(size of the result).
 * @see PyTorch's `torch.ne`
 */
export function notEqual(a: Operand, b: Operand): Tensor {
  return compare("notEqual", a, b);
}

function compare(name: "greater" | "greaterEqual" | "less" | "lessEqual" | "equal" | "notEqual", a: Operand, b: Operand): Tensor {
  const [x, y] = operands(name, a, b);
  return applyBinary(name, logicKernels, name, x, y, "bool");
}
