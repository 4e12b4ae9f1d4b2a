import type { Tensor } from "../core/tensor.ts";
import { neg } from "./arithmetic.ts";
import { smooth } from "./unary.ts";

/** The sine of x in radians. In float32 good to |x| = 1e6. */
export function sin(x: Tensor): Tensor {
  return smooth("sin", "sin", x, [], (at) => neg(sin(at)));
}

/** The cosine of x in radians. In float32 good to |x| = 1e6. */
export function cos(x: Tensor): Tensor {
  return smooth("cos", "cos", x, [], (at) => neg(cos(at)));
}
