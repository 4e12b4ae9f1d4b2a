import { UnsupportedError, type Views } from "@heed/kernels";
import type { StreamingKernels } from "./streaming.ts";

/** Plain loops. In the making. */
export function reference(_views: Views): StreamingKernels {
  const missing = (): never => {
    throw new UnsupportedError("streaming", "the kernel is not written yet", {}, "Use the dense definition.");
  };
  return { forward: missing, flagRows: missing };
}
