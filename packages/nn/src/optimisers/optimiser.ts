import { clearGrad, HeedError, ShapeError, type Tensor } from "@heed/tensor";
import { copyInto, type Stateful } from "@heed/tensor/operation";
import type { Parameter } from "../parameter.ts";

/**
 * Changes parameters in place by their gradients. Its state (moments) is made at once, zeroed, so that an owner
 * (`resident`) can hold it from the first step on.
 */
export abstract class Optimiser implements Stateful {
  readonly parameters: readonly Parameter[];
  /** The learning rate of the next `step`. */
  lr: number;
  /** Updates made so far. */
  steps = 0;

  constructor(where: string, parameters: Iterable<Parameter>, lr: number) {
    this.parameters = [...new Set(parameters)];
    if (this.parameters.length === 0) throw new HeedError(where, "there must be at least one parameter", {}, "Pass model.parameters().");
    requireRate(where, "lr", lr);
    this.lr = lr;
  }

  /** One update of every parameter that has a gradient. */
  step(lr = this.lr): void {
    requireRate("step", "lr", lr);
    this.steps++;
    this.parameters.forEach((parameter, i) => {
      if (parameter.grad !== null) this.update(parameter, parameter.grad, i, lr);
    });
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    clearGrad(this.parameters);
  }

  /** Parameters and moments. */
  *state(): Generator<Tensor> {
    yield* this.parameters;
    for (const moment of Object.values(this.moments())) yield* moment;
  }

  /** The number of steps, and moments as `name.index` of the parameter: with the parameters, all that resuming needs. */
  stateDict(): { steps: number; tensors: Record<string, Tensor> } {
    const entries = Object.entries(this.moments()).flatMap(([name, tensors]) => tensors.map((tensor, i) => [`${name}.${i}`, tensor] as const));
    return { steps: this.steps, tensors: Object.fromEntries(entries) };
  }

  /** @throws {HeedError} when names or shapes are not this optimiser's; nothing has changed then. */
  loadStateDict({ steps, tensors }: { steps: number; tensors: Readonly<Record<string, Tensor>> }): void {
    const own = this.stateDict().tensors;
    for (const [name, target] of Object.entries(own)) {
      const value = tensors[name];
      if (value === undefined) throw new HeedError("loadStateDict", `the optimiser's state lacks "${name}"`, { present: Object.keys(tensors).length });
      if (value.size !== target.size) throw new ShapeError("loadStateDict", `"${name}" has another shape`, { own: target.shape, value: value.shape });
    }
    for (const [name, target] of Object.entries(own)) copyInto(target, tensors[name]);
    this.steps = steps;
  }

  /** Tensors beside the parameters, by kind, one per parameter. */
  protected abstract moments(): Readonly<Record<string, readonly Tensor[]>>;

  protected abstract update(parameter: Parameter, gradient: Tensor, index: number, lr: number): void;
}

/** Rates and decays: finite, not negative. */
export function requireRate(where: string, name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) throw new HeedError(where, `${name} must be finite and not negative`, { [name]: value });
}
