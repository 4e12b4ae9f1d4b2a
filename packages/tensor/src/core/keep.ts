import { Storage } from "./storage.ts";
import { requireTensor, Tensor } from "./tensor.ts";
import { packed } from "./compute.ts";

/**
 * A copy of `x`, of any shape, an empty one too, on the engine's heap, without history: for all that outlives a scope without being returned from it
 * (lazily built tables, caches, metrics). Time O(size of x).
 * @see PyTorch's `torch.clone`
 */
export function keep(x: Tensor): Tensor {
  requireTensor("keep", "x", x);
  const dense = packed(x);
  const elements = dense.storage.copyOf("keep", dense.offset, dense.offset + dense.size);
  return new Tensor(new Storage(x.dtype, elements.length, elements), x.shape);
}
