import { wasm } from "#wasm/sequence";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/**
 * All steps of a recurrence, forward or backward, in one call.
 *
 * Sequences are sorted, the longest first, and lie packed: first step 0 of all, then step 1 of those that have one, and so on; N rows
 * in all. A direction that reads from the end differs only in the order in which its rows were packed. Letters: L steps of the
 * longest sequence, H units, P those rounded up to 16. Pointers are in bytes, strides in elements, and "or 0" marks pointers that
 * may be absent. Which slots a row of gates has says `cell-shape.ts`.
 *
 * - `gates` `[N, slots · H]`, rows `gatesStride` apart
 * - `cells` `[N, H]`: each cell after its step, for those that have one
 * - `offsets` int32 `[L + 2]`: the first packed row of each step; the last two are N
 * - `index` int32 `[N]`: of each packed row, its row in `output` and `dy`
 * - `from`, `to`: the sequences this call is about; calls about others may run at the same time
 */
export interface SequenceKernels {
  /**
   * The bias and the hidden weight in the order in which forward reads them.
   * @param weight `[blocks · H, H]`, or 0: then only the bias is packed
   * @param bias `[slots · H]` or 0
   * @param packed `packedForwardBytes`
   */
  packForward(weight: number, bias: number, packed: number, blocks: number, slots: number, H: number): void;
  /**
   * Some rows of the hidden weight in the order in which backward reads them.
   * @param weight `[rows, H]`
   * @param packed `packedBackwardBytes`
   */
  packBackward(weight: number, packed: number, rows: number, H: number): void;
  lstmForward: SequenceForward;
  lstmBackward: SequenceBackward;
  gruForward: SequenceForward;
  gruBackward: SequenceBackward;
  tanhForward: SequenceForward;
  tanhBackward: SequenceBackward;
  reluForward: SequenceForward;
  reluBackward: SequenceBackward;
}

/**
 * @param gates the input projections on the way in; if `keep`, activations on the way out
 * @param cells written if `keep`
 * @param packed by `packForward`
 * @param product 1: the hidden product is made here. 0: `gates` holds whole sums, in all slots, already; only right for L = 1
 * @param h0 `[B, H]` or 0 for zeros; `c0` alike
 * @param output rows `[·, H]`, `outputStride` apart: h of every step, at its `index`
 * @param hLast `[B, H]`: h after the last step of each sequence; `cLast` alike
 * @param scratch `sequenceScratchBytes`
 */
export type SequenceForward = (
  gates: number,
  gatesStride: number,
  cells: number,
  packed: number,
  product: number,
  h0: number,
  c0: number,
  output: number,
  outputStride: number,
  hLast: number,
  cLast: number,
  offsets: number,
  index: number,
  L: number,
  H: number,
  keep: number,
  from: number,
  to: number,
  scratch: number,
) => void;

/**
 * @param dgates `[N, slots · H]`, overwritten with the gradients of the sums, rows `gatesStride` apart
 * @param gates as kept by forward
 * @param hBefore `[N, H]`: h before each step; read by those that carry it
 * @param packed `hiddenPieces` of the hidden weight by `packBackward`, each `packedBackwardBytes` of the rows before it from the
 * start; or 0: then what the hidden product gives to the gradient of the initial state is missing, only right for L = 1
 * @param dy rows `[·, H]`, `dyStride` apart, or 0: the gradient of h as an output, at its `index`
 * @param dhLast `[B, H]` or 0; `dcLast` alike
 * @param dh0 `[B, H]` or 0, overwritten; `dc0` alike
 */
export type SequenceBackward = (
  dgates: number,
  gates: number,
  gatesStride: number,
  cells: number,
  c0: number,
  hBefore: number,
  packed: number,
  dy: number,
  dyStride: number,
  dhLast: number,
  dcLast: number,
  dh0: number,
  dc0: number,
  offsets: number,
  index: number,
  L: number,
  H: number,
  from: number,
  to: number,
  scratch: number,
) => void;

export const sequence: Family<SequenceKernels> = /* @__PURE__ */ defineFamily("sequence", wasm, reference);
