import { tensor, type Shape, type Tensor, type TensorTree } from "@heed/tensor";
import { expectGradient, type GradientOptions } from "@heed/tensor/testing";
import { functionalCall } from "../functional-call.ts";
import type { Module } from "../module.ts";

/**
 * Throws unless the gradients of what a module computes are those of central differences in float64: by the inputs, and by every parameter of
 * the module, which runs with float64 copies of its parameters and buffers meanwhile. See `expectGradient`.
 *
 * @param forward what the module computes of the inputs; the same inputs must give the same results
 * @param inputs tensors, or shapes to fill with random numbers
 * @example expectModuleGradient(new Linear(3, 5, { key }), (linear, x) => linear.forward(x), [[2, 3]]);
 */
export function expectModuleGradient<M extends Module>(
  module: M,
  forward: (module: M, ...inputs: Tensor[]) => TensorTree,
  inputs: readonly (Tensor | Shape)[],
  options?: GradientOptions,
): void {
  const parameters = module.namedParameters();
  expectGradient(
    (...at) => {
      const tensors: Record<string, Tensor> = {};
      [...parameters.keys()].forEach((name, i) => (tensors[name] = at[inputs.length + i]));
      for (const [name, buffer] of module.namedBuffers()) tensors[name] = inFloat64(buffer);
      return functionalCall(module, tensors, () => forward(module, ...at.slice(0, inputs.length)));
    },
    [...inputs, ...parameters.values()],
    options,
  );
}

function inFloat64(x: Tensor): Tensor {
  return x.dtype === "float32" ? tensor(Float64Array.from(x.toTypedArray()), { shape: x.shape }) : x;
}
