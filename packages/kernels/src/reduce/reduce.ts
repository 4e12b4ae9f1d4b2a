import { wasm } from "#wasm/reduce";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/** Over the middle axis of `x`, contiguous `[outer, n, inner]`; `out` is `[outer, inner]`, apart from `x`. Pointers are in bytes. */
export type Reduction = (x: number, out: number, outer: number, n: number, inner: number) => void;

/**
 * Sums over one axis. They run in doubles in every build, in an order that depends on the shape alone: they are the
 * exact sum rounded to float32, save where it cancels to 2^-29 of its terms.
 */
export interface ReduceKernels {
  /** 0 over none. */
  sum: Reduction;
  sumSquares: Reduction;
  /** Running sums, in doubles; `out` is shaped as `x`, and may be it. */
  cumsum: Reduction;
}

export const reduce: Family<ReduceKernels> = /* @__PURE__ */ defineFamily("reduce", wasm, reference);
