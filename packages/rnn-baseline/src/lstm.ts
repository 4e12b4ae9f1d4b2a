import type { Tensor } from "@heed/tensor";
import { lstmRule } from "./internal/lstm-rule.ts";
import { RecurrentNetwork, type ForwardOptions, type RecurrentOptions } from "./internal/recurrent-network.ts";

/** States of every layer and direction, layer by layer, forward first: `[numLayers · directions, B, H]` each. */
export interface LSTMState {
  readonly h: Tensor;
  readonly c: Tensor;
}

/**
 * Long short-term memory over whole sequences:
 * `i, f, o = σ(Wx + Uh + b)`, `g = tanh(Wx + Uh + b)`; `c ← f · c + i · g`; `h = o · tanh c`.
 *
 * Letters: B batch, L steps, I inputSize, H hiddenSize.
 * Parameters as in PyTorch, gate rows i, f, g, o: `weight_ih_l0` `[4H, I]`, `weight_hh_l0` `[4H, H]`, `bias_ih_l0`, `bias_hh_l0` `[4H]`,
 * with `_reverse` for the backward direction, `_l1` … for deeper layers, which read all directions of the one below.
 *
 * One recorded operation per layer. Time O(B L (I + H) H); backward saves 4 H + H numbers per step, sequence and direction.
 * @see Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; forget gate: Gers, Schmidhuber and Cummins 2000, "Learning to Forget"
 * @example
 * const lstm = new LSTM(768, 150, { key: randomKey(7), bidirectional: true });
 * const { h } = lstm.forward(patches);           // [B, P, 768]
 * const logits = head.forward(lstm.lastHidden(h)); // from [B, 300]
 */
export class LSTM extends RecurrentNetwork {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions) {
    super(lstmRule, inputSize, hiddenSize, options);
  }

  /**
   * @param x `[B, L, I]`
   * @returns `output` `[B, L, directions · H]`, h of the last layer at every step; final `h` and `c` `[numLayers · directions, B, H]`
   * @throws {ShapeError} when x or a state has another shape; {HeedError} when lengths do not fit.
   */
  forward(x: Tensor, { state, lengths }: ForwardOptions<LSTMState> = {}): { output: Tensor; h: Tensor; c: Tensor } {
    const { output, h, c } = this.run(x, state, lengths);
    return { output, h, c: c! };
  }
}
