import { scaledDot } from "@heed/scoring";
import type { Tensor } from "@heed/tensor";
import { prepareWith, type Call, type CallOptions } from "./call.ts";

/** `prepareWith` the default score of the package. */
export function prepare(where: string, query: Tensor, key: Tensor, value: Tensor, options: CallOptions): Call {
  return prepareWith(scaledDot, where, query, key, value, options);
}
