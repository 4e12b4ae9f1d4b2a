import type { Tensor } from "@heed/tensor";
import type { CellShape } from "../sequence/cell-shape.ts";

/**
 * What makes a recurrence an LSTM, a GRU or a plain RNN. The input projection fills the first slots of a row of gates, the bias all of
 * them, and the hidden projection is added to those that `shape.hidden` names.
 */
export interface CellRule {
  readonly name: string;
  readonly shape: CellShape;
  /** Of its kernels: `lstmForward` and `lstmBackward`. */
  readonly kernel: "lstm" | "gru" | "tanh" | "relu";
  /** Both biases as one row of slots. */
  bias(ih: Tensor, hh: Tensor): Tensor;
  /** The step written with operations, from the sums `[B, slots · H]`: the definition. */
  dense(sums: Tensor, h: Tensor, c: Tensor | undefined): { h: Tensor; c?: Tensor };
}
