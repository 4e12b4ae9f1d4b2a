import { withReference, type Family } from "@heed/kernels";
import { compiledStreaming, type StreamingKernels } from "./compiled.ts";
import { reference } from "./reference.ts";

export const streaming: Family<StreamingKernels> = /* @__PURE__ */ withReference(compiledStreaming, reference);
