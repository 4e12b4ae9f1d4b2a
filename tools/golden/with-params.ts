import type { Module } from "@heed/nn";
import type { Tensor } from "@heed/tensor";
import type { Tensors } from "./operation.ts";

/**
 * Puts the tensors themselves in place of a module's parameters and buffers, by name, so that gradients reach them and their dtype holds.
 * Throws when the module has one that is not given, or the reverse.
 */
export function withParams<M extends Module>(module: M, params: Tensors): M {
  const own = Object.keys(module.stateDict());
  const missing = own.filter((name) => !(name in params));
  const unknown = Object.keys(params).filter((name) => !own.includes(name));
  if (missing.length + unknown.length > 0)
    throw new Error(`names differ: the case lacks ${missing.join(", ")}; the module lacks ${unknown.join(", ")}`);
  for (const name of own) {
    const path = name.split(".");
    const owner = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], module) as Record<string, Tensor>;
    owner[path.at(-1)!] = params[name]!;
  }
  return module;
}
