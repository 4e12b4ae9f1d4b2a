import type { Tensor } from "@heed/tensor";

/** Rows of a step that share where their previous state lies. Pointers are in bytes, strides in elements. */
export interface StepRows {
  readonly count: number;
  readonly H: number;
  /** `[count, slots · H]`: sums on the way in, activations on the way out (backward reads those). */
  readonly gates: number;
  readonly gatesStride: number;
  /** `[count, H]`, the hidden state before the step; stride 0 repeats one row of zeros. */
  readonly hPrev: number;
  readonly hPrevStride: number;
  /** `[count, H]`: the cell before and after the step, where the rule has one. */
  readonly cPrev: number;
  readonly c: number;
}

export interface ForwardRows extends StepRows {
  /** `[count, H]`, written. */
  readonly h: number;
  readonly hStride: number;
}

export interface BackwardRows extends StepRows {
  /** `[count, H]`, gradient of h as an output. */
  readonly dy: number;
  readonly dyStride: number;
  /** `[count, H]`: gradient of h through the next step; in its place comes what reaches the previous h other than through the gates (if `carries`). */
  readonly dh: number;
  /** `[count, H]`: gradient of c through the next step; in its place comes that of the previous c. */
  readonly dc: number;
  /** `[count, slots · H]`, written, rows `gatesStride` apart. */
  readonly dgates: number;
}

/**
 * What makes a recurrence an LSTM, a GRU or a plain RNN. A row of its working space has `slots` blocks of H numbers. The input
 * projection fills the first `inputSlots`, the bias all of them; the hidden projection is added to the blocks that `hidden`
 * names.
 */
export interface CellRule {
  readonly name: string;
  readonly slots: number;
  readonly inputSlots: number;
  /** Pieces of the hidden weight: its row blocks from `from` on, `count` of them, act on the slots from `slot` on. */
  readonly hidden: readonly { readonly from: number; readonly slot: number; readonly count: number }[];
  readonly hasCell: boolean;
  /** The previous h is read by the step itself, not only by the hidden projection. */
  readonly carries: boolean;
  /** Both biases as one row of slots. */
  bias(ih: Tensor, hh: Tensor): Tensor;
  forward(dtype: "float32" | "float64", rows: ForwardRows): void;
  backward(dtype: "float32" | "float64", rows: BackwardRows): void;
  /** The step written with operations, from the sums `[B, slots · H]`: the definition. */
  dense(sums: Tensor, h: Tensor, c: Tensor | undefined): { h: Tensor; c?: Tensor };
}

/** How many blocks of H rows the hidden weight has. */
export function hiddenBlocks({ hidden }: CellRule): number {
  return hidden.reduce((sum, { count }) => sum + count, 0);
}
