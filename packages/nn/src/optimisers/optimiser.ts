import { optimiserKernels, runParallel, type OptimiserKernels } from "@heed/kernels";
import { clearGrad, HeedError, tensor, type Tensor } from "@heed/tensor";
import { copyInto, mutateRuns, requireReal, type Stateful } from "@heed/tensor/operation";
import { requireCount, requireLike, requireRate } from "../internal/require.ts";
import type { Parameter } from "../parameter.ts";

/**
 * Changes parameters in place by their gradients. Its state (moments) is made at once, zeroed, so that an owner
 * (`resident`) can hold it from the first step on. Time O(size of the parameters) a step; those without a gradient stay.
 * @see PyTorch's `torch.optim.Optimizer`
 */
export abstract class Optimiser implements Stateful {
  readonly parameters: readonly Parameter[];
  /** The learning rate of the next `step`. */
  lr: number;
  /** Calls of `step` so far. */
  steps = 0;
  /** Updates of each parameter so far: steps in which it had a gradient. */
  readonly #updates: number[];

  constructor(where: string, parameters: Iterable<Parameter>, lr: number) {
    this.parameters = [...new Set(parameters)];
    if (this.parameters.length === 0) throw new HeedError(where, "there must be at least one parameter", {}, "Pass model.parameters().");
    for (const { dtype } of this.parameters) requireReal(where, dtype);
    requireRate(where, "lr", lr);
    this.lr = lr;
    this.#updates = this.parameters.map(() => 0);
  }

  /**
   * One update of every parameter that has a gradient; each counts its own updates, as in PyTorch. A resident model is updated in one call
   * of a kernel, where its parameters, gradients and moments lie alike.
   */
  step(lr = this.lr): void {
    requireRate("step", "lr", lr);
    this.steps++;
    const moments = Object.values(this.moments()).filter((tensors) => tensors.length > 0);
    const given = this.parameters.flatMap(({ heldGrad: gradient, dtype }, index) => {
      if (gradient === null) return [];
      const update: Update = { lr, updates: ++this.#updates[index], decay: this.decayOf(index) };
      return [{ index, gradient, dtype: requireReal("step", dtype), update }];
    });
    const rows = given.map(({ index, gradient, update: { updates, decay } }) => ({
      targets: [this.parameters[index], ...moments.map((tensors) => tensors[index])],
      inputs: [gradient],
      group: `${updates} ${decay}`,
    }));
    mutateRuns(this.constructor.name, rows, (addresses, row, elements) => {
      const { dtype, update } = given[row];
      const width = dtype === "float64" ? 8 : 4;
      // Cut by size alone, and no element depends on another: threads change no bit.
      const calls = Array.from({ length: Math.ceil(elements / PIECE) }, (_, piece) => {
        const first = piece * PIECE;
        const [parameter, ...rest] = addresses.map((address) => address + first * width);
        const gradient = rest.pop()!;
        return this.call({ parameter, gradient, moments: rest }, Math.min(PIECE, elements - first), update);
      });
      if (calls.length > 0) runParallel(optimiserKernels, dtype, this.kernel, calls, { work: FLOPS * elements, lingers: true });
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

  /**
   * The number of steps, moments as `name.index` of the parameter, and `updates` `[parameters]`, how often each was updated: with the
   * parameters, all that resuming needs.
   */
  stateDict(): { steps: number; tensors: Record<string, Tensor> } {
    const updates = tensor(Int32Array.from(this.#updates));
    return { steps: this.steps, tensors: { ...this.#momentsByName(), updates } };
  }

  #momentsByName(): Record<string, Tensor> {
    const entries = Object.entries(this.moments()).flatMap(([name, tensors]) =>
      tensors.map((moment, i) => [`${name}.${i}`, moment] as const),
    );
    return Object.fromEntries(entries);
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
    for (const [name, target] of Object.entries(this.#momentsByName())) copyInto(target, tensors[name]!);
    this.#updates.splice(0, this.#updates.length, ...tensors.updates!.toTypedArray());
    this.steps = steps;
  }

  /** Tensors beside the parameters, by kind, one per parameter. */
  protected abstract moments(): Readonly<Record<string, readonly Tensor[]>>;

  /** Which of the optimisers' kernels. */
  protected abstract readonly kernel: keyof OptimiserKernels;

  /** The arguments of that kernel for `elements` elements. */
  protected abstract call(at: Addresses, elements: number, update: Update): readonly number[];

  /** The weight decay of a parameter, by its index. */
  protected abstract decayOf(index: number): number;
}

/** Where a run of elements lies. */
export interface Addresses {
  readonly parameter: number;
  readonly gradient: number;
  /** In the order of `moments()`, without those that are empty. */
  readonly moments: readonly number[];
}

export interface Update {
  readonly lr: number;
  /** Which update of these parameters this is: 1, 2 … */
  readonly updates: number;
  readonly decay: number;
}

/** Elements of one call; threads share calls. */
const PIECE = 2 ** 16;
/** Floating-point operations of an element, about. */
const FLOPS = 16;
