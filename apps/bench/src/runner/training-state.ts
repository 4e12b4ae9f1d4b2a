import type { Module, Optimiser } from "@heed/nn";
import { keep, readSafetensors, writeSafetensors, type Tensor } from "@heed/tensor";

/** Model and optimiser as bytes: all that a training needs to go on. `more` and `notes` are an experiment's own. */
export function saveTraining(
  model: Module,
  optimiser: Optimiser,
  more: Readonly<Record<string, Tensor>> = {},
  notes: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { steps, tensors } = optimiser.stateDict();
  const all = { ...prefixed("model.", model.stateDict()), ...prefixed("optimiser.", tensors), ...prefixed("more.", more) };
  return writeSafetensors(all, { ...notes, steps: String(steps) });
}

/** Puts it back, and returns what was the experiment's own. */
export function loadTraining(
  state: Uint8Array,
  model: Module,
  optimiser: Optimiser,
): { more: Record<string, Tensor>; notes: Readonly<Record<string, string>> } {
  const { tensors, metadata } = readSafetensors(state);
  model.loadStateDict(withoutPrefix("model.", tensors));
  optimiser.loadStateDict({ steps: Number(metadata.steps), tensors: withoutPrefix("optimiser.", tensors) });
  return { more: withoutPrefix("more.", tensors), notes: metadata };
}

/** Parameters and buffers as they are now. */
export function keptParameters(model: Module): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(model.stateDict()).map(([name, value]) => [name, keep(value)]));
}

/** Runs `fn` with other parameters; the model has its own again afterwards. */
export function withParameters<T>(model: Module, parameters: Readonly<Record<string, Tensor>>, fn: () => T): T {
  const own = keptParameters(model);
  model.loadStateDict(parameters);
  try {
    return fn();
  } finally {
    model.loadStateDict(own);
  }
}

function prefixed(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [prefix + name, value]));
}

function withoutPrefix(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );
}
