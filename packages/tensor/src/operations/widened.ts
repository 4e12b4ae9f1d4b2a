import { widenKernels } from "@heed/kernels/light";
import { computeOne, packed } from "../core/compute.ts";
import type { Tensor } from "../core/tensor.ts";

/** Weights that are stored in half precision compute as float32; everything else is itself. */
export function widened(x: Tensor): Tensor {
  if (x.dtype !== "float16" && x.dtype !== "bfloat16") return x;
  const kernel = x.dtype === "float16" ? "halfToFloat" : "brainToFloat";
  return computeOne("cast", [packed(x)], x.shape, "float32", ([read], write) => {
    if (x.size > 0) widenKernels.on("float32")[kernel](read, write, x.size);
  });
}
