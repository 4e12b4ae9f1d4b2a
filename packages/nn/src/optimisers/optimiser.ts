import { clearGrad, HeedError, type Tensor } from "@heed/tensor";
import { copyInto, requireReal, type Stateful } from "@heed/tensor/operation";
import { requireCount, requireLike, requireRate } from "../internal/require.ts";
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
    for (const { dtype } of this.parameters) requireReal(where, dtype);
    requireRate(where, "lr", lr);
    this.lr = lr;
  }

  /** One update of every parameter that has a gradient. The count of updates is that of the optimiser, the same for all parameters. */
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
    const entries = Object.entries(this.moments()).flatMap(([name, tensors]) =>
      tensors.map((tensor, i) => [`${name}.${i}`, tensor] as const),
    );
    return { steps: this.steps, tensors: Object.fromEntries(entries) };
  }

  /**
   * Copies moments in by name, all or none, and continues at their step.
   * @throws {HeedError} when names, shapes or dtypes are not this optimiser's: another kind, or other parameters. Nothing has changed then.
   */
  loadStateDict({ steps, tensors }: { steps: number; tensors: Readonly<Record<string, Tensor>> }): void {
    const own = this.stateDict().tensors;
    const missing = Object.keys(own).filter((name) => !(name in tensors));
    const unknown = Object.keys(tensors).filter((name) => !(name in own));
    if (missing.length + unknown.length > 0) {
      throw new HeedError(
        "loadStateDict",
        "names must be those of the optimiser",
        { missing, unknown },
        "Build it as the one that was saved.",
      );
    }
    requireCount("loadStateDict", { steps }, 0);
    for (const [name, target] of Object.entries(own)) requireLike("loadStateDict", name, tensors[name], target);
    for (const [name, target] of Object.entries(own)) copyInto(target, tensors[name]);
    this.steps = steps;
  }

  /** Tensors beside the parameters, by kind, one per parameter. */
  protected abstract moments(): Readonly<Record<string, readonly Tensor[]>>;

  protected abstract update(parameter: Parameter, gradient: Tensor, index: number, lr: number): void;
}
