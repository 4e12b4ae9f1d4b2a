import { DTypeError, keep, Tensor, type DType } from "@heed/tensor";

/**
 * A learned tensor of a module: a leaf with `requiresGrad`. It copies `initial`, so that what an optimiser writes in place is nobody else's,
 * and so that a module may be built inside a scope.
 * Any shape. Time O(size), the copy.
 * @throws {DTypeError} unless `initial` is of a float dtype.
 * @see PyTorch's `torch.nn.Parameter`
 */
export class Parameter extends Tensor {
  constructor(initial: Tensor) {
    requireFloat("Parameter", initial.dtype);
    const { storage, shape } = keep(initial);
    super(storage, shape, undefined, 0, true);
  }
}

/**
 * State of a module that is saved but not learned by gradients, such as running means. It copies `initial`, of any shape (an empty one too) and
 * dtype, as `Parameter` does. Time O(size), the copy.
 * @see PyTorch's `torch.nn.Module.register_buffer`
 */
export class Buffer extends Tensor {
  constructor(initial: Tensor) {
    const { storage, shape } = keep(initial);
    super(storage, shape);
  }
}

function requireFloat(where: string, dtype: DType): void {
  if (dtype !== "int32" && dtype !== "uint8" && dtype !== "bool") return;
  throw new DTypeError(where, "what is learned must be of a float dtype", { dtype }, "Use Buffer for state that is not learned.");
}
