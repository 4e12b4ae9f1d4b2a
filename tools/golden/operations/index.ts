import type { Operations } from "../operation.ts";
import { scoringOperations } from "./scoring.ts";
import { tensorOperations } from "./tensor.ts";

/** What computes each `op`. An op without an entry is pending. */
export const operations: Operations = { ...tensorOperations, ...scoringOperations };
