import { wasm } from "#wasm/pow";
import type { Binary } from "../binary/binary.ts";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/** A module of its own, since its digits take as much code as all other arithmetic together. */
export interface PowKernels {
  /** Odd cases as in IEEE 754: x⁰ = 1^y = 1; a negative base wants an integer exponent, else NaN. */
  pow: Binary;
}

export const pow: Family<PowKernels> = /* @__PURE__ */ defineFamily("pow", wasm, reference);
