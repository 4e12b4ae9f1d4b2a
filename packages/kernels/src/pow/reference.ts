import { pairs } from "../binary/pairs.ts";
import { pow } from "../math/index.ts";
import type { Views } from "../memory/views.ts";
import type { PowKernels } from "./pow.ts";

/** Powers in plain loops: the definition. */
export function reference(views: Views): PowKernels {
  const real = { items: () => views.real(), shift: views.shift };
  return { pow: pairs(real, real, pow) };
}
