import { abs, less, mean, mul, ShapeError, softplus, square, sub, sum, where, type Tensor } from "@heed/tensor";

export { crossEntropy } from "@heed/tensor";

export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Default `mean`, over every element. */
  readonly reduction?: Reduction;
}

/** (x − target)², reduced. Any shape; shapes must be equal. */
export function meanSquaredError(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("meanSquaredError", square(difference("meanSquaredError", x, target)), options);
}

/** |x − target|, reduced. */
export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("l1Loss", abs(difference("l1Loss", x, target)), options);
}

/** d² / (2 beta) where |d| < beta, else |d| − beta / 2, for d = x − target; reduced. @see Girshick 2015 */
export function smoothL1Loss(x: Tensor, target: Tensor, { beta = 1, ...options }: LossOptions & { readonly beta?: number } = {}): Tensor {
  if (!(beta > 0)) throw new ShapeError("smoothL1Loss", "beta must be above 0", { beta }, "For beta = 0 use l1Loss.");
  const size = abs(difference("smoothL1Loss", x, target));
  return reduce("smoothL1Loss", where(less(size, beta), mul(square(size), 0.5 / beta), sub(size, beta / 2)), options);
}

/**
 * Binary cross-entropy of logits against targets in [0, 1]: `max(x, 0) − x · target + log(1 + e^−|x|)`, reduced; right for
 * logits of any size. No gradient reaches the targets.
 */
export function binaryCrossEntropyWithLogits(logits: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  difference("binaryCrossEntropyWithLogits", logits, target);
  const fixed = target.detach();
  // relu(x) + softplus(−|x|) has a kink at 0 that its parts hide; softplus(x) − x · t is the same function, smooth.
  return reduce("binaryCrossEntropyWithLogits", sub(softplus(logits), mul(logits, fixed)), options);
}

function difference(where: string, x: Tensor, target: Tensor): Tensor {
  if (x.rank !== target.rank || x.shape.some((n, i) => n !== target.shape[i])) {
    throw new ShapeError(where, "x and target must have one shape", { x: x.shape, target: target.shape }, "Reshape the target; losses do not broadcast.");
  }
  return sub(x, target);
}

function reduce(where: string, values: Tensor, { reduction = "mean" }: LossOptions): Tensor {
  if (reduction === "none") return values;
  if (reduction === "sum") return sum(values);
  if (reduction === "mean") return mean(values);
  throw new ShapeError(where, "reduction is mean, sum or none", { reduction });
}
