import { Storage } from "./storage.ts";
import { requireTensor, Tensor } from "./tensor.ts";
import { packed } from "./compute.ts";

/**
 * A copy of `x` on the engine's heap, without history: for all that outlives a scope without being returned from it
 * (lazily built tables, caches, metrics).
 */
export function keep(x: Tensor): Tensor {
  requireTensor("keep", "x", x);
  const dense = packed(x);
  const elements = dense.storage.read("keep").slice(dense.offset, dense.offset + dense.size);
  return new Tensor(new Storage(x.dtype, elements.length, elements), x.shape);
}
