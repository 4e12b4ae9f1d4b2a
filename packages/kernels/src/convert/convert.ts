import { wasm } from "#wasm/convert";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * `out[i] = x[i]` in another type, `0 ≤ i < n`. Pointers are in bytes; the arrays must not overlap.
 * "Float" is float32 and "double" float64 here, whichever type the family was asked for.
 */
export type Conversion = (x: number, out: number, n: number) => void;

export interface ConvertKernels {
  /** float32 → float16, to nearest, ties to even; 65520 and above become ∞; NaN stays NaN. */
  floatToHalf: Conversion;
  /** float32 → bfloat16, to nearest, ties to even; NaN stays NaN. */
  floatToBrain: Conversion;
  /** int32 → float32, to nearest, ties to even. */
  intToFloat: Conversion;
  /** float32 → int32, towards zero; out of range saturates, NaN gives 0. */
  floatToInt: Conversion;
  /** int32 → float64, exact. */
  intToDouble: Conversion;
  /** float64 → int32, towards zero; out of range saturates, NaN gives 0. */
  doubleToInt: Conversion;
  /** float32 → float64, exact. */
  floatToDouble: Conversion;
  /** float64 → float32, to nearest, ties to even. */
  doubleToFloat: Conversion;
  /** uint8 → float32, exact. */
  byteToFloat: Conversion;
  /** uint8 → int32. */
  byteToInt: Conversion;
  /** int32 → uint8, modulo 256. */
  intToByte: Conversion;
}

export const convert: Family<ConvertKernels> = /* @__PURE__ */ defineFamily("convert", wasm, reference);
