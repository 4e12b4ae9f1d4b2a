import { math, powKernels } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { differentiable, mul } from "./arithmetic.ts";
import { applyBinary, operands, type Operand } from "./binary.ts";
import { equal } from "./comparisons.ts";
import { log } from "./exponential.ts";
import { sumTo } from "./sum-to.ts";
import { smooth } from "./unary.ts";
import { where } from "./where.ts";

/**
 * `x²`, any shape → the same; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.square`
 */
export function square(x: Tensor): Tensor {
  return smooth("square", "square", x, [], () => 2);
}

/**
 * `√x`, any shape → the same. NaN below 0; the slope at 0 is ∞. Time O(size of x).
 * @see PyTorch's `torch.sqrt`
 */
export function sqrt(x: Tensor): Tensor {
  return smooth("sqrt", "sqrt", x, [], (at) => mul(pow(at, -1.5), -0.25));
}

/**
 * `1 / √x`, any shape → the same. ±∞ at ±0, NaN below. Time O(size of x).
 * @see PyTorch's `torch.rsqrt`
 */
export function rsqrt(x: Tensor): Tensor {
  return smooth("rsqrt", "rsqrt", x, [], (at) => mul(pow(at, -2.5), 0.75));
}

/**
 * `1 / x`, any shape → the same. ±∞ at ±0. Time O(size of x).
 * @see PyTorch's `torch.reciprocal`
 */
export function reciprocal(x: Tensor): Tensor {
  return smooth("reciprocal", "reciprocal", x, [], (at) => mul(pow(at, -3), 2));
}

/**
 * `base ^ exponent` with NumPy's broadcasting; either may be a number. Odd cases as in IEEE 754: x⁰ is 1; a negative base
 * wants an integer exponent, else NaN. The gradient by the exponent is 0 where the base is 0.
 * @throws {ShapeError} when shapes do not broadcast; {DTypeError} when dtypes differ.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.pow`
 */
export function pow(base: Operand, exponent: Operand): Tensor {
  const [x, y] = operands("pow", base, exponent);
  if (typeof x !== "number" && typeof y === "number") {
    return y === 2 ? square(x) : smooth("pow", "powScalar", x, [y], (at) => mul(pow(at, y - 2), y * (y - 1)));
  }
  const out = applyBinary("pow", powKernels, "pow", x, y);
  return differentiable(
    "pow",
    out,
    x,
    y,
    [x, y, out],
    (g, side) => sumTo(mul(g, mul(y, pow(x, typeof y === "number" ? y - 1 : y.sub(1)))), side.shape),
    (g, side) => sumTo(mul(g, slopeByExponent(x, out)), side.shape),
  );
}

/** x^y · ln x, and 0 where x is 0. */
function slopeByExponent(x: Operand, power: Tensor): Tensor {
  if (typeof x === "number") return mul(power, x === 0 ? 0 : math.log(x));
  const zero = equal(x, 0);
  return mul(where(zero, 0, power), log(where(zero, 1, x)));
}
