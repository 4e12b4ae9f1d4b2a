import { wasm } from "#wasm/lstm-cell";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/**
 * What one step of an LSTM does between its matrix products, element by element. Arrays are contiguous, pointers in
 * bytes; the four gates lie side by side in a row, in PyTorch's order i, f, g, o.
 */
export interface LstmCellKernels {
  /**
   * `i, f, o = σ(pre)`, `g = tanh(pre)`; `c = f · cPrev + i · g`; `h = o · tanh c`.
   * @param pre `[B, 4 H]`, before the non-linearities
   * @param cPrev `[B, H]`
   * @param gates `[B, 4 H]` after them, for the gradient; may be `pre`
   * @param c `[B, H]`; may be `cPrev`
   * @param h `[B, H]`
   */
  lstmCell(pre: number, cPrev: number, gates: number, c: number, h: number, B: number, H: number): void;
  /**
   * The gradient of `lstmCell`: from dh and dc (what later steps say about h and c) to dpre and dcPrev.
   * @param dpre `[B, 4 H]`, overwritten; may be `gates`
   * @param dcPrev `[B, H]`, overwritten; may be `dc`
   */
  lstmCellGrad(
    dh: number, dc: number, gates: number, cPrev: number, c: number, dpre: number, dcPrev: number, B: number, H: number,
  ): void;
}

export const lstmCell: Family<LstmCellKernels> = /* @__PURE__ */ defineFamily("lstm-cell", wasm, reference);
