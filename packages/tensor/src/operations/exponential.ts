import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, neg } from "./arithmetic.ts";
import { reciprocal, square } from "./powers.ts";
import { applyUnary, smooth } from "./unary.ts";

/** e^x. ∞ above 88.7 in float32. */
export function exp(x: Tensor): Tensor {
  const out = applyUnary("exp", "exp", x);
  return record("exp", out, [x], [out], (g) => [mul(g, out)]);
}

/** The natural logarithm. −∞ at 0, NaN below. */
export function log(x: Tensor): Tensor {
  return smooth("log", "log", x, [], (at) => neg(reciprocal(square(at))));
}

/** ln(1 + x), accurate near 0. */
export function log1p(x: Tensor): Tensor {
  return smooth("log1p", "log1p", x, [], (at) => neg(reciprocal(square(add(at, 1)))));
}
