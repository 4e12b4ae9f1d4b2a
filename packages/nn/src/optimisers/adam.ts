import { math } from "@heed/kernels";
import { HeedError, zeros, type Tensor } from "@heed/tensor";
import { requireRate } from "../internal/require.ts";
import type { Parameter } from "../parameter.ts";
import { Optimiser, type Addresses, type Update } from "./optimiser.ts";

export interface AdamOptions {
  /** Default 1e-3. */
  readonly lr?: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** Adam: added to the gradient, times the parameter; AdamW: taken off the parameter itself. Default 0; AdamW 0.01. */
  readonly weightDecay?: number;
  /** The running maximum of v takes its place. Default false. */
  readonly amsgrad?: boolean;
  /** Parameters without decay, such as biases and norms. Default: none. */
  readonly noDecay?: (parameter: Parameter) => boolean;
}

/**
 * m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − lr · m̂ / (√v̂ + eps), with m̂, v̂ corrected for their start at 0: divided by
 * 1 − β₁ᵗ and 1 − β₂ᵗ at update t = 1, 2 … of the parameter
 * @throws {HeedError} without parameters, or for rates, betas or decays out of range; {DTypeError} unless parameters are float32 or float64.
 *
 * Time O(size of the parameters) an update, one pass over any shapes; memory of twice their size (three times with `amsgrad`).
 * @see Kingma, Ba 2015 (arXiv:1412.6980); Reddi, Kale, Kumar 2018 (amsgrad, arXiv:1904.09237)
 */
export class Adam extends Optimiser {
  readonly options: Required<Omit<AdamOptions, "lr" | "noDecay">>;
  readonly #decoupled: boolean;
  readonly #decays: readonly number[];
  readonly #m: readonly Tensor[];
  readonly #v: readonly Tensor[];
  readonly #vmax: readonly Tensor[];

  constructor(
    parameters: Iterable<Parameter>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, amsgrad = false, noDecay = () => false }: AdamOptions = {},
    decoupled = false,
  ) {
    super(decoupled ? "AdamW" : "Adam", parameters, lr);
    requireRate("Adam", "eps", eps);
    requireRate("Adam", "weightDecay", weightDecay);
    if (!betas.every((beta) => beta >= 0 && beta < 1)) throw new HeedError("Adam", "betas must be in [0, 1)", { betas });
    this.options = { betas, eps, weightDecay, amsgrad };
    this.#decoupled = decoupled;
    this.#decays = this.parameters.map((parameter) => (noDecay(parameter) ? 0 : weightDecay));
    const moment = () => this.parameters.map(({ shape, dtype }) => zeros(shape, { dtype }));
    this.#m = moment();
    this.#v = moment();
    this.#vmax = amsgrad ? moment() : [];
  }

  protected moments(): Readonly<Record<string, readonly Tensor[]>> {
    return { m: this.#m, v: this.#v, vmax: this.#vmax };
  }

  protected get kernel() {
    return "adam" as const;
  }

  protected decayOf(index: number): number {
    return this.#decays[index]!;
  }

  protected call({ parameter, gradient, moments: [m, v, vmax = 0] }: Addresses, elements: number, { lr, updates, decay }: Update) {
    const {
      betas: [beta1, beta2],
      eps,
    } = this.options;
    const [correction1, correction2] = [beta1, beta2].map((beta) => 1 - math.pow(beta, updates));
    return [parameter, gradient, m!, v!, vmax, elements, lr, beta1, beta2, eps, decay, Number(this.#decoupled), correction1!, correction2!];
  }
}

/**
 * Adam whose decay acts on the parameter itself: first `w ← (1 − lr · weightDecay) · w`. Shapes, errors and memory as of `Adam`, which it is
 * without decay. Time O(size of the parameters) an update.
 * @see Loshchilov, Hutter 2019 (arXiv:1711.05101)
 */
export class AdamW extends Adam {
  constructor(parameters: Iterable<Parameter>, { weightDecay = 0.01, ...options }: AdamOptions = {}) {
    super(parameters, { weightDecay, ...options }, true);
  }
}
