import { wasm } from "#wasm/lstm-cell";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/**
 * What one step of an LSTM does between its matrix products, element by element. Pointers are in bytes; the four gates lie
 * side by side in a row, in PyTorch's order i, f, g, o. Strides are the elements from one row to the next, so that a
 * step can work on its slice of a batch-first sequence; arrays without one are contiguous.
 */
export interface LstmCellKernels {
  /**
   * `i, f, o = σ(pre)`, `g = tanh(pre)`; `c = f · cPrev + i · g`; `h = o · tanh c`.
   * @param pre `[B, 4 H]`, before the non-linearities, rows `gatesStride` apart
   * @param gates `[B, 4 H]` after them, for the gradient, with the same stride; may be `pre`
   * @param cPrev `[B, H]`
   * @param c `[B, H]`; may be `cPrev`
   * @param h `[B, H]`, rows `hStride` apart
   */
  lstmCell(
    pre: number,
    gates: number,
    gatesStride: number,
    cPrev: number,
    c: number,
    h: number,
    hStride: number,
    B: number,
    H: number,
  ): void;
  /**
   * The gradient of `lstmCell`, from what this step's output and the later steps say about h and c.
   * @param dy `[B, H]`, gradient of h as an output, rows `dyStride` apart
   * @param dh `[B, H]`, gradient of h through the next step: the two are added
   * @param dc `[B, H]`, gradient of c through the next step
   * @param gates `[B, 4 H]`, as saved, rows `gatesStride` apart
   * @param dpre `[B, 4 H]`, overwritten, with the same stride; may be `gates`
   * @param dcPrev `[B, H]`, overwritten; may be `dc`
   */
  lstmCellGrad(
    dy: number,
    dyStride: number,
    dh: number,
    dc: number,
    gates: number,
    dpre: number,
    gatesStride: number,
    cPrev: number,
    c: number,
    dcPrev: number,
    B: number,
    H: number,
  ): void;
}

export const lstmCell: Family<LstmCellKernels> = /* @__PURE__ */ defineFamily("lstm-cell", wasm, reference);
