import type { Tensor } from "@heed/tensor";
import type { HiddenState } from "./gru.ts";
import { RecurrentNetwork, type ForwardOptions, type RecurrentOptions } from "./internal/recurrent-network.ts";
import { nonlinearityRule } from "./internal/rnn-rule.ts";

export interface RNNOptions extends RecurrentOptions {
  /** Default "tanh". */
  readonly nonlinearity?: "tanh" | "relu";
}

/**
 * A plain recurrent network over whole sequences: `h ← tanh(Wx + Uh + b)`, or relu.
 *
 * Letters: B batch, L steps, I inputSize, H hiddenSize.
 * Parameters as in PyTorch: `weight_ih_l0` `[H, I]`, `weight_hh_l0` `[H, H]`, `bias_ih_l0`, `bias_hh_l0` `[H]`, with `_reverse` for the
 * backward direction, `_l1` … for deeper layers, which read all directions of the one below.
 *
 * One recorded operation per layer. Time O(B L (I + H) H); backward saves H numbers per step, sequence and direction.
 * @see Elman, "Finding Structure in Time", 1990
 */
export class RNN extends RecurrentNetwork {
  /** @throws {UnsupportedError} for another nonlinearity. */
  constructor(inputSize: number, hiddenSize: number, { nonlinearity, ...options }: RNNOptions) {
    super(nonlinearityRule("RNN", nonlinearity), inputSize, hiddenSize, options);
  }

  /**
   * @param x `[B, L, I]`
   * @returns `output` `[B, L, directions · H]`, h of the last layer at every step; final `h` `[numLayers · directions, B, H]`
   * @throws {ShapeError} when x or the state has another shape; {HeedError} when lengths do not fit.
   */
  forward(x: Tensor, { state, lengths }: ForwardOptions<HiddenState> = {}): { output: Tensor; h: Tensor } {
    return this.run(x, state, lengths);
  }
}
