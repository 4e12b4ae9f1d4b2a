import { HeedError, UnsupportedError } from "@heed/tensor";
import type { ExportOptions } from "../options.ts";

/** Checks what every export takes, before any work. */
export function checkOptions(where: string, { opset, causal = false, queryOffset, scale, softcap }: ExportOptions): void {
  if (opset !== 17 && opset !== 23) {
    throw new UnsupportedError(
      where,
      "opset must be 17 or 23",
      { opset },
      "Use 17 for runtimes that have no Attention operator; both run on newer ones.",
    );
  }
  if (softcap !== undefined && !(softcap > 0 && Number.isFinite(softcap))) {
    throw new HeedError(where, "softcap must be above 0 and finite", { softcap }, "Leave it out for none.");
  }
  if (scale !== undefined && !Number.isFinite(scale)) throw new HeedError(where, "scale must be finite", { scale });
  if (opset === 23 && scale !== undefined && scale <= 0) {
    throw new UnsupportedError(where, "Attention of opset 23 multiplies by √scale, so scale must be above 0", { scale }, "Use opset: 17.");
  }
  if (queryOffset === undefined) return;
  if (!Number.isSafeInteger(queryOffset)) throw new HeedError(where, "queryOffset must be a whole number", { queryOffset });
  if (!causal) {
    throw new UnsupportedError(
      where,
      "only causal reads queryOffset",
      { queryOffset, causal },
      "Add causal: true, or leave queryOffset out.",
    );
  }
}
