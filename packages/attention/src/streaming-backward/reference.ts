import { UnsupportedError, type Views } from "@heed/kernels";
import type { StreamingBackwardKernels } from "./streaming-backward.ts";

/** Plain loops. In the making. */
export function reference(_views: Views): StreamingBackwardKernels {
  return {
    backward() {
      throw new UnsupportedError("streaming", "the kernel is not written yet", {}, "Use the dense definition.");
    },
  };
}
