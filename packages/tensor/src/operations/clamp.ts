import { HeedError } from "@heed/kernels";
import type { Tensor } from "../core/tensor.ts";
import { smooth } from "./unary.ts";

export interface ClampOptions {
  /** Default −∞. */
  readonly low?: number;
  /** Default ∞. */
  readonly high?: number;
}

/**
 * `min(max(x, low), high)`, any shape → the same; NaN stays NaN. The gradient is 0 outside the bounds and passes on them.
 * @throws {HeedError} when `low` is above `high`.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.clamp`
 */
export function clamp(x: Tensor, { low = -Infinity, high = Infinity }: ClampOptions): Tensor {
  if (!(low <= high)) throw new HeedError("clamp", "low must not be above high", { low, high });
  return smooth("clamp", "clamp", x, [low, high]);
}
