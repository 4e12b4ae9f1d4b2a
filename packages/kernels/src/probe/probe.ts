import { wasm } from "#wasm/probe";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

export interface ProbeKernels {
  /** `turns` (at least 1) steps `x = x · factor + term` of 12 independent chains of four lanes, from 0, in registers; returns the sum of lane 0 over the chains. */
  chains(turns: number, factor: number, term: number): number;
}

/** Arithmetic without memory: what the vector unit can do at most. */
export const probe: Family<ProbeKernels> = /* @__PURE__ */ defineFamily<ProbeKernels>("probe", wasm, reference);
