import { HeedError, randomKernels } from "@heed/kernels";
import { computeOne } from "../core/compute.ts";
import { requireReal, type RealDType } from "../core/dtype.ts";
import { sizeOf, type Shape } from "../core/shape.ts";
import { noGrad, record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import type { RandomKey } from "../random/random-key.ts";
import { requireKey } from "../random/random-words.ts";
import { mul } from "./arithmetic.ts";
import { fillZero } from "./fill.ts";

export interface DropoutOptions {
  /** Probability that an element becomes 0, from 0 to 1. */
  readonly p: number;
  /** Decides which: the same key drops the same elements. */
  readonly key: RandomKey;
}

/**
 * Zeros with probability p, and what is left times `1 / (1 − p)`, any shape → the same, so that the expectation stays. Drops whenever it is called:
 * whether this is training is for the caller to know.
 * @throws {HeedError} unless 0 ≤ p ≤ 1.
 *
 * Time O(size of x).
 * @see Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting"
 */
export function dropout(x: Tensor, { p, key }: DropoutOptions): Tensor {
  requireTensor("dropout", "x", x);
  if (!(p >= 0 && p <= 1)) throw new HeedError("dropout", "p must be from 0 to 1", { p });
  const dtype = requireReal("dropout", x.dtype);
  if (p === 0) return x;
  requireKey("dropout", key);
  const factors = mask(key, 1 - p, x.shape, dtype);
  const out = noGrad(() => mul(x, factors));
  return record("dropout", out, [x], [factors], (g) => {
    const gradient = mul(g, factors);
    gradient.band = g.band;
    return [gradient];
  });
}

/** 1 / keep where `bernoulli(key, keep, shape)` is true, else 0. */
function mask(key: RandomKey, keep: number, shape: Shape, dtype: RealDType): Tensor {
  const [k0, k1] = key.words;
  const limit = Math.round(keep * 2 ** 32);
  return computeOne("dropout", [], shape, dtype, (_, out) => {
    if (limit === 0) fillZero(dtype, out, shape);
    else randomKernels.on(dtype).mask(k0, k1, out, sizeOf(shape), limit - 1, 1 / keep);
  });
}
