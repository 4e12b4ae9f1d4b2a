import { wasm } from "#wasm/widen";
import type { Conversion } from "../convert/convert.ts";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/** Stored half precision to float32, which all operations do: so apart from the other conversions. */
export interface WidenKernels {
  /** float16 → float32, exact; NaN stays NaN. */
  halfToFloat: Conversion;
  /** bfloat16 → float32, exact. */
  brainToFloat: Conversion;
}

export const widen: Family<WidenKernels> = /* @__PURE__ */ defineFamily("widen", wasm, reference);
