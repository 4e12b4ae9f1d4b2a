import type { Operations } from "../operation.ts";
import { attentionOperations } from "./attention.ts";
import { graphOperations } from "./graph-attention.ts";
import { linearTimeOperations } from "./linear-time.ts";
import { maskOperations } from "./masks.ts";
import { positionalOperations } from "./positional.ts";
import { recurrentOperations } from "./recurrent.ts";
import { scoringOperations } from "./scoring.ts";
import { tensorOperations } from "./tensor.ts";
import { visionOperations } from "./vision.ts";

/** What computes each `op`. An op without an entry is pending. */
export const operations: Operations = {
  ...tensorOperations,
  ...scoringOperations,
  ...maskOperations,
  ...attentionOperations,
  ...linearTimeOperations,
  ...positionalOperations,
  ...visionOperations,
  ...recurrentOperations,
  ...graphOperations,
};
