import { tensor } from "../core/construct.ts";
import type { DType } from "../core/dtype.ts";
import { sizeOf, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

export interface RandomTensorOptions {
  /** Default −1. */
  readonly low?: number;
  /** Default 1. Integer dtypes get integers from `low` up to but without `high`. */
  readonly high?: number;
  /** Moves entries away from 0 by this much, on their own side: for functions with a kink or a pole there. Default 0. */
  readonly awayFromZero?: number;
  /** Default `float32`. Values are exact in float32 in any case, so a float64 run sees the same ones. */
  readonly dtype?: DType;
  readonly requiresGrad?: boolean;
}

/**
 * Numbers spread evenly over `[low, high)`, the same for the same shape and seed on every engine. For tests; models draw
 * theirs with `normal(key, shape)`.
 */
export function randomTensor(shape: Shape, seed = 0, options: RandomTensorOptions = {}): Tensor {
  const { low = -1, high = 1, awayFromZero = 0, dtype = "float32", requiresGrad } = options;
  const next = randomNumbers(seed);
  const integer = dtype === "int32" || dtype === "uint8";
  const values = Array.from({ length: sizeOf(shape) }, () => {
    const value = low + (high - low) * next();
    if (dtype === "bool") return value >= (low + high) / 2 ? 1 : 0;
    return integer ? Math.floor(value) : Math.fround(value + (value < 0 ? -awayFromZero : awayFromZero));
  });
  return tensor(values, { shape, dtype, requiresGrad });
}

/** Numbers in [0, 1) (mulberry32: integer arithmetic only). */
export function randomNumbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
