import type { Views } from "../memory/views.ts";
import { CHAINS } from "./chains.ts";
import type { ProbeKernels } from "./probe.ts";

/** The chains in plain loops: the definition. */
export function reference(_: Views): ProbeKernels {
  return {
    chains(turns, factor, term) {
      let x = 0;
      for (let turn = 0; turn < turns; turn++) x = x * factor + term;
      return CHAINS * x;
    },
  };
}
