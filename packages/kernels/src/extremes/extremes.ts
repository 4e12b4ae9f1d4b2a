import { wasm } from "#wasm/extremes";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import type { Reduction } from "../reduce/reduce.ts";
import { reference } from "./reference.ts";

/** The greatest and least along one axis, and where they stand. */
export interface ExtremeKernels {
  /** NaN where there is one; −∞ over none. */
  max: Reduction;
  /** NaN where there is one; ∞ over none. */
  min: Reduction;
  /** int32 indices along the axis. Ties go to the lowest; the first NaN wins; 0 over none. */
  argmax: Reduction;
  argmin: Reduction;
}

export const extremes: Family<ExtremeKernels> = /* @__PURE__ */ defineFamily("extremes", wasm, reference);
