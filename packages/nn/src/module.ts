import { HeedError, type Tensor } from "@heed/tensor";
import { copyInto, type Stateful } from "@heed/tensor/operation";
import { requireLike } from "./internal/require.ts";
import { Buffer, Parameter } from "./parameter.ts";

/**
 * A layer or a model: parameters, buffers and other modules as properties, named as in PyTorch's state dict, and a
 * `forward`. Arrays of modules count too (`layers.0.weight`). Time O(modules + parameters) to walk.
 *
 * @see PyTorch's `torch.nn.Module`
 * @example
 * class Model extends Module {
 *   hidden: Linear; out: Linear;
 *   constructor(key: RandomKey) { super(); this.hidden = new Linear(4, 8, { key: key.split("hidden") }); … }
 *   forward(x: Tensor): Tensor { return this.out.forward(relu(this.hidden.forward(x))); }
 * }
 */
export abstract class Module implements Stateful {
  /** The module that holds this one, and under which name; known once that one was walked (`parameters()`, `resident` …). */
  #holder: { readonly module: Module; readonly name: string } | undefined;

  /** The name below the outermost module that holds it (`encoder.layers.0.dropout`); "" for that one. Dropout keys hang on it. */
  get path(): string {
    return this.#holder === undefined ? "" : join(this.#holder.module.path, this.#holder.name);
  }

  /** This module and all below it, depth first, with their names below this one. One that stands in several places is named once, by the first. */
  *namedModules(): Generator<[string, Module]> {
    yield* this.#walk("", new Set([this]));
  }

  /** Parameters by name. One that stands in several places is named once, by the first. */
  namedParameters(): Map<string, Parameter> {
    return this.#named(Parameter);
  }

  /** Buffers by name. */
  namedBuffers(): Map<string, Buffer> {
    return this.#named(Buffer);
  }

  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** Parameters and buffers: what `resident` keeps in linear memory. */
  *state(): Generator<Tensor> {
    yield* this.namedParameters().values();
    yield* this.namedBuffers().values();
  }

  /** How many numbers are learned. */
  get parameterCount(): number {
    return this.parameters().reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Parameters and buffers by PyTorch's names: what to save (`writeSafetensors(model.stateDict())`). The tensors are the model's own, which
   * training goes on to change: `keep` the ones to come back to.
   */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries([...this.namedParameters(), ...this.namedBuffers()]);
  }

  /**
   * Copies values in by name, all or none.
   * @throws {HeedError} naming what is missing or unknown; {ShapeError} for another shape; {DTypeError} for another dtype; {ScopeError} for a
   * value whose scope has ended. Nothing has changed then.
   */
  loadStateDict(values: Readonly<Record<string, Tensor>>): void {
    const own = this.stateDict();
    const missing = Object.keys(own).filter((name) => !(name in values));
    const unknown = Object.keys(values).filter((name) => !(name in own));
    if (missing.length + unknown.length > 0) {
      throw new HeedError(
        "loadStateDict",
        "names must be those of the model",
        { missing, unknown },
        "Build the model with the options that it was saved with.",
      );
    }
    for (const [name, target] of Object.entries(own)) requireLike("loadStateDict", name, values[name], target);
    for (const [name, target] of Object.entries(own)) copyInto(target, values[name]);
  }

  *#walk(path: string, seen: Set<Module>): Generator<[string, Module]> {
    yield [path, this];
    for (const [name, child] of children(this)) {
      if (!(child instanceof Module) || seen.has(child)) continue;
      seen.add(child);
      child.#holder ??= { module: this, name };
      yield* child.#walk(join(path, name), seen);
    }
  }

  #named<T extends Tensor>(kind: abstract new (...args: never[]) => T): Map<string, T> {
    const found = new Map<string, T>();
    const seen = new Set<Tensor>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, child] of children(module)) {
        if (!(child instanceof kind) || seen.has(child)) continue;
        seen.add(child);
        found.set(join(path, name), child);
      }
    }
    return found;
  }
}

/** Properties of a module in order, arrays opened up. */
function* children(module: Module): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(module)) {
    if (Array.isArray(value)) for (const [i, item] of value.entries()) yield [`${name}.${i}`, item];
    else yield [name, value];
  }
}

function join(prefix: string, name: string): string {
  return prefix === "" ? name : `${prefix}.${name}`;
}
