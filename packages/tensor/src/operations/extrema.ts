import { binaryKernels } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { add, differentiable, mul } from "./arithmetic.ts";
import { applyBinary, operands, type Operand } from "./binary.ts";
import { cast } from "./cast.ts";
import { equal, greater } from "./comparisons.ts";
import { sumTo } from "./sum-to.ts";

/**
 * `max(a, b)`, element by element, with NumPy's broadcasting; NaN where one is. Either may be a number. Where they
 * tie, each gets half of the gradient. Shapes and errors as of `add`. Time O(size of the result).
 * @see PyTorch's `torch.maximum`
 */
export function maximum(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("maximum", a, b);
  const out = applyBinary("maximum", binaryKernels, "maximum", x, y);
  return differentiable(
    "maximum",
    out,
    x,
    y,
    [x, y],
    (g, side) => sumTo(mul(g, share(x, y, g)), side.shape),
    (g, side) => sumTo(mul(g, share(y, x, g)), side.shape),
  );
}

/**
 * `min(a, b)`, element by element; shapes, NaN, ties and errors as of `maximum`. Time O(size of the result).
 * @see PyTorch's `torch.minimum`
 */
export function minimum(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("minimum", a, b);
  const out = applyBinary("minimum", binaryKernels, "minimum", x, y);
  return differentiable(
    "minimum",
    out,
    x,
    y,
    [x, y],
    (g, side) => sumTo(mul(g, share(y, x, g)), side.shape),
    (g, side) => sumTo(mul(g, share(x, y, g)), side.shape),
  );
}

/** 1 where a is above b, ½ where they tie, else 0. */
function share(a: Operand, b: Operand, like: Tensor): Tensor {
  return add(cast(greater(a, b), like.dtype), mul(cast(equal(a, b), like.dtype), 0.5));
}
