import type { Module, Optimiser } from "@heed/nn";
import { readSafetensors, writeSafetensors, type Tensor } from "@heed/tensor";

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

function prefixed(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [prefix + name, value]));
}

function withoutPrefix(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );
}
