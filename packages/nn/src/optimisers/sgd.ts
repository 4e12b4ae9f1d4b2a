import { HeedError, zeros, type Tensor } from "@heed/tensor";
import { requireRate } from "../internal/require.ts";
import type { Parameter } from "../parameter.ts";
import { Optimiser, type Addresses, type Update } from "./optimiser.ts";

export interface SGDOptions {
  readonly lr: number;
  /** Default 0: no buffer. */
  readonly momentum?: number;
  readonly dampening?: number;
  /** g + momentum · buffer in place of the buffer. Needs momentum, and no dampening. */
  readonly nesterov?: boolean;
  /** Added to the gradient, times the parameter. Default 0. */
  readonly weightDecay?: number;
}

/**
 * `g ← g + weightDecay · w; buffer ← momentum · buffer + (1 − dampening) · g` (at the parameter's first update: g); `w ← w − lr · buffer`.
 * @throws {HeedError} without parameters, for rates out of range, or for nesterov without momentum; {DTypeError} unless parameters are float32
 * or float64.
 *
 * Time O(size of the parameters) an update, one pass over any shapes; with momentum, memory of their size.
 * @see Sutskever et al. 2013, "On the Importance of Initialization and Momentum in Deep Learning"; PyTorch's `torch.optim.SGD` for the form
 */
export class SGD extends Optimiser {
  readonly options: Required<Omit<SGDOptions, "lr">>;
  readonly #buffers: readonly Tensor[];

  constructor(parameters: Iterable<Parameter>, { lr, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 }: SGDOptions) {
    super("SGD", parameters, lr);
    for (const [name, value] of Object.entries({ momentum, dampening, weightDecay })) requireRate("SGD", name, value);
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new HeedError("SGD", "nesterov needs momentum and no dampening", { momentum, dampening });
    }
    this.options = { momentum, dampening, nesterov, weightDecay };
    this.#buffers = momentum === 0 ? [] : this.parameters.map(({ shape, dtype }) => zeros(shape, { dtype }));
  }

  protected moments(): Readonly<Record<string, readonly Tensor[]>> {
    return { buffer: this.#buffers };
  }

  protected get kernel() {
    return "sgd" as const;
  }

  protected decayOf(): number {
    return this.options.weightDecay;
  }

  protected call({ parameter, gradient, moments: [buffer = 0] }: Addresses, elements: number, { lr, updates, decay }: Update) {
    const { momentum, dampening, nesterov } = this.options;
    return [parameter, gradient, buffer, elements, lr, momentum, dampening, Number(nesterov), decay, Number(updates === 1)];
  }
}
