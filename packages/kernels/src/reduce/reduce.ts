import { wasm } from "#wasm/reduce";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/** `x` `[outer, n, inner]`, contiguous → `out` `[outer, inner]`. Pointers are in bytes. */
export type Reduction = (x: number, out: number, outer: number, n: number, inner: number) => void;

/** Reductions over a middle axis. Orders of addition are fixed by the shape. */
export interface ReduceKernels {
  /** Σ x; 0 for n = 0. Long sums go by blocks, so that rounding does not pile up. */
  sum: Reduction;
  /** Σ x² */
  sumSquares: Reduction;
  /** Σ (x − mean)², of `mean` `[outer, inner]`. */
  sumSquaredDeviations(x: number, mean: number, out: number, outer: number, n: number, inner: number): void;
  /** The largest; −∞ for n = 0. A NaN makes the result NaN. */
  max: Reduction;
  /** The smallest; ∞ for n = 0. A NaN makes the result NaN. */
  min: Reduction;
  /** int32: where the largest stands; ties go to the lowest, the first NaN wins. n ≥ 1. */
  argmax: Reduction;
  /** int32: where the smallest stands; ties go to the lowest, the first NaN wins. n ≥ 1. */
  argmin: Reduction;
  /** Running sums, `out` `[outer, n, inner]`; accumulated in float64. */
  cumsum: Reduction;
}

export const reduce: Family<ReduceKernels> = /* @__PURE__ */ defineFamily("reduce", wasm, reference);
