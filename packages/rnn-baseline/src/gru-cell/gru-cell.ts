import { wasm } from "#wasm/gru-cell";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/**
 * What one step of a gated recurrent unit does between its matrix products, element by element. Pointers are in bytes. A row of
 * gates has four blocks of H: r, z, n, and apart from those what the hidden state gives to n (hn), since r acts on that alone.
 * Strides are the elements from one row to the next; one of 0 reads the same row again.
 */
export interface GruCellKernels {
  /**
   * `r, z = σ(gates)`; `n = tanh(n + r · hn)`; `h = (1 − z) · n + z · hPrev`.
   * @param gates `[B, 4 H]`: sums on the way in; r, z, n and hn, for the gradient, on the way out
   * @param hPrev `[B, H]`
   * @param h `[B, H]`, apart from `hPrev`
   */
  gruCell(gates: number, gatesStride: number, hPrev: number, hPrevStride: number, h: number, hStride: number, B: number, H: number): void;
  /**
   * The gradient of `gruCell`, from what this step's output and the later steps say about h.
   * @param dy `[B, H]`, gradient of h as an output
   * @param dh `[B, H]`, contiguous, gradient of h through the next step: the two are added. In its place comes z times the sum: what
   * reaches `hPrev` past the gates
   * @param gates `[B, 4 H]`, as left by `gruCell`
   * @param dgates `[B, 4 H]`, overwritten with the gradients of the sums, with the same stride; may be `gates`
   */
  gruCellGrad(
    dy: number,
    dyStride: number,
    dh: number,
    gates: number,
    dgates: number,
    gatesStride: number,
    hPrev: number,
    hPrevStride: number,
    B: number,
    H: number,
  ): void;
}

export const gruCell: Family<GruCellKernels> = /* @__PURE__ */ defineFamily("gru-cell", wasm, reference);
