import { HeedError } from "@heed/kernels";
import { requireReal } from "../core/dtype.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { bernoulli } from "../random/bernoulli.ts";
import type { RandomKey } from "../random/random-key.ts";
import { mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";

export interface DropoutOptions {
  /** Probability that an element becomes 0, from 0 to 1. */
  readonly p: number;
  /** Decides which: the same key drops the same elements. */
  readonly key: RandomKey;
}

/**
 * Zeros with probability p, and what is left times 1 / (1 − p), so that the expectation stays. Drops whenever it is called:
 * whether this is training is for the caller to know.
 * @throws {HeedError} unless 0 ≤ p ≤ 1.
 * @see Srivastava et al., 2014, "Dropout".
 */
export function dropout(x: Tensor, { p, key }: DropoutOptions): Tensor {
  requireTensor("dropout", "x", x);
  if (!(p >= 0 && p <= 1)) throw new HeedError("dropout", "p must be from 0 to 1", { p });
  const dtype = requireReal("dropout", x.dtype);
  if (p === 0) return x;
  return mul(x, mul(cast(bernoulli(key, 1 - p, x.shape), dtype), p === 1 ? 0 : 1 / (1 - p)));
}
