import type { Tensor } from "../core/tensor.ts";
import { smooth } from "./unary.ts";

/** |x|. The gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return smooth("abs", "abs", x, []);
}
