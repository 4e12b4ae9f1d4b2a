import { wasm } from "#wasm/rnn-cell";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/** `h = f(gates)`, and into `gates` too, for the gradient: `[B, H]` each, rows as far apart as their strides say. */
export type RnnCell = (gates: number, gatesStride: number, h: number, hStride: number, B: number, H: number) => void;

/** `dgates = (dy + dh) · f′`, from f as left in `gates`; `dgates` has the stride of `gates` and may be it, `dh` is contiguous. A stride of `dy` of 0 reads its row again. */
export type RnnCellGrad = (
  dy: number,
  dyStride: number,
  dh: number,
  gates: number,
  dgates: number,
  gatesStride: number,
  B: number,
  H: number,
) => void;

/** What one step of a plain recurrent network does after its matrix products, element by element. Pointers are in bytes, strides in elements. */
export interface RnnCellKernels {
  tanhCell: RnnCell;
  tanhCellGrad: RnnCellGrad;
  reluCell: RnnCell;
  /** 0 at 0. */
  reluCellGrad: RnnCellGrad;
}

export const rnnCell: Family<RnnCellKernels> = /* @__PURE__ */ defineFamily("rnn-cell", wasm, reference);
