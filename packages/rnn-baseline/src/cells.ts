import { reshape, ShapeError, type RandomKey, type Tensor } from "@heed/tensor";
import { requireTensor, sameShape, widened } from "@heed/tensor/operation";
import { Module, Parameter, torchUniform } from "@heed/nn";
import type { HiddenState } from "./gru.ts";
import type { RNNOptions } from "./rnn.ts";
import type { CellRule } from "./internal/cell-rule.ts";
import { gruRule } from "./internal/gru-rule.ts";
import { lstmRule } from "./internal/lstm-rule.ts";
import { recurrentSequence } from "./internal/recurrent-sequence.ts";
import { nonlinearityRule } from "./internal/rnn-rule.ts";
import type { LSTMState } from "./lstm.ts";

export interface CellOptions {
  /** Where the initial values come from. */
  readonly key: RandomKey;
  /** Default true. */
  readonly bias?: boolean;
}

/** One step of a recurrence, for decoders that choose their next input. Parameters `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`, as in PyTorch. */
abstract class Cell extends Module {
  readonly weight_ih: Parameter;
  readonly weight_hh: Parameter;
  readonly bias_ih: Parameter | null;
  readonly bias_hh: Parameter | null;
  readonly #rule: CellRule;

  constructor(rule: CellRule, inputSize: number, hiddenSize: number, { key, bias = true }: CellOptions) {
    super();
    for (const [name, size] of Object.entries({ inputSize, hiddenSize })) {
      if (!Number.isInteger(size) || size < 1)
        throw new ShapeError(`${rule.name}Cell`, `${name} must be a whole number, at least 1`, { [name]: size });
    }
    const rows = rule.shape.hidden.length * hiddenSize;
    const initial = (name: string, shape: number[]) => new Parameter(torchUniform(key.split(name), shape, hiddenSize));
    this.weight_ih = initial("weight_ih", [rows, inputSize]);
    this.weight_hh = initial("weight_hh", [rows, hiddenSize]);
    this.bias_ih = bias ? initial("bias_ih", [rows]) : null;
    this.bias_hh = bias ? initial("bias_hh", [rows]) : null;
    this.#rule = rule;
  }

  protected step(x: Tensor, state: { readonly h: Tensor; readonly c?: Tensor } | undefined): { h: Tensor; c?: Tensor } {
    const where = `${this.#rule.name}Cell`;
    const [inputSize, H] = [this.weight_ih.shape[1], this.weight_hh.shape[1]];
    requireTensor(where, "x", x);
    if (x.rank !== 2 || x.shape[1] !== inputSize) throw new ShapeError(where, "x must be [B, inputSize]", { x: x.shape, inputSize });
    const B = x.shape[0];
    for (const [name, value] of Object.entries(state ?? {})) {
      requireTensor(where, `state.${name}`, value);
      if (!sameShape(value.shape, [B, H]))
        throw new ShapeError(where, "states must be [B, hiddenSize]", { [name]: value.shape, expected: [B, H] });
    }
    const bias = this.bias_ih === null ? undefined : this.#rule.bias(widened(this.bias_ih), widened(this.bias_hh!));
    const direction = {
      reverse: false,
      weightIh: widened(this.weight_ih),
      weightHh: widened(this.weight_hh),
      bias,
      h0: state?.h,
      c0: state?.c,
    };
    const { h, c } = recurrentSequence(this.#rule, reshape(widened(x), [B, 1, inputSize]), [direction], undefined);
    return { h: reshape(h, [B, H]), ...(c !== undefined && { c: reshape(c, [B, H]) }) };
  }
}

/**
 * One step of an `LSTM`: x `[B, I]` and states h and c `[B, H]` (default zeros) → the next ones.
 *
 * Letters: B batch, I inputSize, H hiddenSize. Time O(B (I + H) H).
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on, or when x or a state has another shape.
 * @see Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"
 */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions) {
    super(lstmRule, inputSize, hiddenSize, options);
  }

  forward(x: Tensor, state?: LSTMState): LSTMState {
    const { h, c } = this.step(x, state);
    return { h, c: c! };
  }
}

/**
 * One step of a `GRU`: x `[B, I]` and a state `[B, H]` (default zeros) → the next one.
 *
 * Letters: B batch, I inputSize, H hiddenSize. Time O(B (I + H) H).
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on, or when x or a state has another shape.
 * @see Cho et al. 2014 (arXiv:1406.1078)
 */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions) {
    super(gruRule, inputSize, hiddenSize, options);
  }

  forward(x: Tensor, state?: HiddenState): HiddenState {
    return this.step(x, state);
  }
}

/**
 * One step of an `RNN`: x `[B, I]` and a state `[B, H]` (default zeros) → the next one.
 *
 * Letters: B batch, I inputSize, H hiddenSize. Time O(B (I + H) H).
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on, or when x or a state has another shape.
 * @see Elman, "Finding Structure in Time", 1990
 */
export class RNNCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, { nonlinearity, ...options }: CellOptions & Pick<RNNOptions, "nonlinearity">) {
    super(nonlinearityRule("RNNCell", nonlinearity), inputSize, hiddenSize, options);
  }

  forward(x: Tensor, state?: HiddenState): HiddenState {
    return this.step(x, state);
  }
}
