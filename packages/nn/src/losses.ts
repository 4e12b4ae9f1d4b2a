import {
  abs,
  add,
  DTypeError,
  HeedError,
  less,
  mean,
  mul,
  neg,
  ShapeError,
  softplus,
  square,
  sub,
  sum,
  where,
  type Tensor,
} from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";

export { crossEntropy } from "@heed/tensor";

export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Default `mean`, over every element. */
  readonly reduction?: Reduction;
}

/**
 * `(x − target)²`, reduced. Any shape; shapes must be equal. Both get gradients.
 * @throws {ShapeError} when shapes differ; {DTypeError} when dtypes do.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.nn.functional.mse_loss`
 */
export function meanSquaredError(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("meanSquaredError", square(difference("meanSquaredError", x, target)), options);
}

/**
 * `|x − target|`, reduced, with gradient zero where they are equal. Shapes and errors as in `meanSquaredError`. Time O(size of x).
 * @see PyTorch's `torch.nn.functional.l1_loss`
 */
export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("l1Loss", abs(difference("l1Loss", x, target)), options);
}

/**
 * `d² / (2 beta)` where |d| < beta, else `|d| − beta / 2`, for d = x − target; reduced. Shapes and errors as in `meanSquaredError`.
 * @throws {HeedError} unless beta is above 0.
 *
 * Time O(size of x).
 * @see Girshick 2015 (arXiv:1504.08083)
 */
export function smoothL1Loss(x: Tensor, target: Tensor, { beta = 1, ...options }: LossOptions & { readonly beta?: number } = {}): Tensor {
  if (!(beta > 0)) throw new HeedError("smoothL1Loss", "beta must be above 0", { beta }, "For beta = 0 use l1Loss.");
  const size = abs(difference("smoothL1Loss", x, target));
  return reduce("smoothL1Loss", where(less(size, beta), mul(square(size), 0.5 / beta), sub(size, beta / 2)), options);
}

/**
 * Binary cross-entropy of logits against targets in [0, 1]: `target · log(1 + e^−x) + (1 − target) · log(1 + e^x)`, reduced; right for logits
 * of any size, and as accurate for sure answers as for unsure ones. No gradient reaches the targets.
 * Any shape; shapes must be equal.
 * @throws {ShapeError} when shapes differ; {DTypeError} when dtypes do.
 *
 * Time O(size of logits).
 * @see PyTorch's `torch.nn.functional.binary_cross_entropy_with_logits`
 */
export function binaryCrossEntropyWithLogits(logits: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  requireAlike("binaryCrossEntropyWithLogits", logits, target);
  const fixed = target.detach();
  const loss = add(mul(fixed, softplus(neg(logits))), mul(sub(1, fixed), softplus(logits)));
  return reduce("binaryCrossEntropyWithLogits", loss, options);
}

function requireAlike(where: string, x: Tensor, target: Tensor): void {
  if (!sameShape(x.shape, target.shape)) {
    throw new ShapeError(
      where,
      "x and target must have one shape",
      { x: x.shape, target: target.shape },
      "Reshape the target; losses do not broadcast.",
    );
  }
  if (x.dtype !== target.dtype)
    throw new DTypeError(where, "x and target must share a dtype", { x: x.dtype, target: target.dtype }, "Convert: cast(target, x.dtype).");
}

function difference(where: string, x: Tensor, target: Tensor): Tensor {
  requireAlike(where, x, target);
  return sub(x, target);
}

function reduce(where: string, values: Tensor, { reduction = "mean" }: LossOptions): Tensor {
  if (reduction === "none") return values;
  if (reduction === "sum") return sum(values);
  if (reduction === "mean") return mean(values);
  throw new HeedError(where, "reduction is mean, sum or none", { reduction });
}
