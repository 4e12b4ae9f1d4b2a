import type { Tensor } from "@heed/tensor";
import { gruRule } from "./internal/gru-rule.ts";
import { RecurrentNetwork, type ForwardOptions, type RecurrentOptions } from "./internal/recurrent-network.ts";

/** The state of every layer and direction, layer by layer, forward first: `[numLayers · directions, B, H]`. */
export interface HiddenState {
  readonly h: Tensor;
}

/**
 * Gated recurrent units over whole sequences: `r, z = σ(Wx + b + Uh + b′)`; `n = tanh(W_n x + b_n + r · (U_n h + b′_n))`;
 * `h ← (1 − z) · n + z · h`.
 *
 * Letters: B batch, L steps, I inputSize, H hiddenSize.
 * Parameters as in PyTorch, gate rows r, z, n: `weight_ih_l0` `[3H, I]`, `weight_hh_l0` `[3H, H]`, `bias_ih_l0`, `bias_hh_l0` `[3H]`,
 * with `_reverse` for the backward direction, `_l1` … for deeper layers, which read all directions of the one below.
 *
 * One recorded operation per layer. Time O(B L (I + H) H); backward saves 4 H numbers per step, sequence and direction.
 * @see Cho et al. 2014 (arXiv:1406.1078v1: there, as here and in cuDNN, r acts after the product U_n h)
 */
export class GRU extends RecurrentNetwork {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions) {
    super(gruRule, inputSize, hiddenSize, options);
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
