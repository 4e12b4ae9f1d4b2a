import { HeedError, ShapeError, Tensor } from "@heed/tensor";
import { refuseAsync, sameShape } from "@heed/tensor/operation";
import type { Module } from "./module.ts";

/**
 * Runs `fn` while other tensors stand in for parameters and buffers of a module, by their names, and then puts those back. So `grad` reaches
 * parameters as it reaches any argument, and a model runs in another dtype. What is not named stays. A parameter that stands in several places
 * is replaced in all of them.
 *
 * @throws {HeedError} for names that the module has not; {ShapeError} for another shape; {ScopeError} when `fn` returns a promise.
 *
 * Time O(modules + parameters), and what `fn` takes.
 * @see PyTorch's `torch.func.functional_call`
 * @example
 * const loss = (weights: Record<string, Tensor>) => functionalCall(model, weights, () => crossEntropy(model.forward(x), target));
 * const gradients = grad(loss)(model.stateDict());
 */
export function functionalCall<T>(module: Module, tensors: Readonly<Record<string, Tensor>>, fn: () => T): T {
  const own = module.stateDict();
  const unknown = Object.keys(tensors).filter((name) => !(name in own));
  if (unknown.length > 0) throw new HeedError("functionalCall", "names must be those of the model", { unknown });
  const standIns = new Map<unknown, Tensor>();
  for (const [name, tensor] of Object.entries(tensors)) {
    const { shape } = own[name];
    if (!sameShape(tensor.shape, shape))
      throw new ShapeError("functionalCall", `"${name}" has another shape`, { model: shape, given: tensor.shape });
    standIns.set(own[name], tensor);
  }
  // Listed before the first is replaced: walking looks at what is being replaced.
  const modules = Array.from(module.namedModules(), ([, part]) => part);
  const undo: (() => void)[] = [];
  const replaceIn = (holder: Record<string, unknown>) => {
    for (const [key, value] of Object.entries(holder)) {
      if (Array.isArray(value)) replaceIn(value as unknown as Record<string, unknown>);
      const standIn = value instanceof Tensor ? standIns.get(value) : undefined;
      if (standIn === undefined) continue;
      holder[key] = standIn;
      undo.push(() => (holder[key] = value));
    }
  };
  try {
    for (const part of modules) replaceIn(part as unknown as Record<string, unknown>);
    const result = fn();
    refuseAsync("functionalCall", result);
    return result;
  } finally {
    for (const step of undo) step();
  }
}
