import type { Tensor } from "../core/tensor.ts";
import { cast } from "./cast.ts";

/** Weights that are stored in half precision compute as float32; everything else is itself. */
export function widened(x: Tensor): Tensor {
  return x.dtype === "float16" || x.dtype === "bfloat16" ? cast(x, "float32") : x;
}
