import { wasm } from "#wasm/probe";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

export interface ProbeKernels {
  /** `turns` (at least 1) steps `x = x · factor + term` of 12 independent chains of four lanes, from 0, in registers; returns the sum of lane 0 over the chains. */
  chains(turns: number, factor: number, term: number): number;
  /**
   * `c[i, j] = Σ a[p, i] · b[p, j]`, i < 6, j < 16, over `steps` (at least 1) p, all three dense: a tile of a matrix product, or as
   * many as the build needs for it. Pointers are in bytes.
   */
  tile(steps: number, a: number, b: number, c: number): void;
}

/** Arithmetic without memory: what the vector unit can do at most. And one tile of a product: how close kernels may come. */
export const probe: Family<ProbeKernels> = /* @__PURE__ */ defineFamily<ProbeKernels>("probe", wasm, reference);
