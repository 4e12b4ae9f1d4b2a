import { conformance } from "./experiments/conformance/index.ts";
import { linearTime } from "./experiments/linear-time/index.ts";
import { weights } from "./experiments/weights/index.ts";
import type { Tool } from "./tool.ts";

/** Every command that is no experiment, in the order in which `bench list` names them. */
export const tools: readonly Tool[] = [conformance, linearTime, weights];
