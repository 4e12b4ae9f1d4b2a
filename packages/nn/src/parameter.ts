import { Tensor } from "@heed/tensor";

/** A learned tensor of a module: a leaf with `requiresGrad`. Takes over the storage of `initial`. */
export class Parameter extends Tensor {
  constructor(initial: Tensor) {
    super(initial.storage, initial.shape, initial.strides, initial.offset, true);
  }
}

/** State of a module that is saved but not learned by gradients, such as running means. */
export class Buffer extends Tensor {
  constructor(initial: Tensor) {
    super(initial.storage, initial.shape, initial.strides, initial.offset, false);
  }
}
