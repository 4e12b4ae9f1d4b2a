import { wasm } from "#wasm/softmax";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Over rows of n reals, contiguous `[rows, n]`. The row's maximum is taken out first, so differences are exact and nothing
 * overflows. Pointers are in bytes; `out` may be an input of the same shape.
 */
export interface SoftmaxKernels {
  /** `e^(x − m) / Σ e^(x − m)`. A row that is −∞ throughout gives zeros. NaN anywhere, or +∞, makes the row NaN. */
  softmax(x: number, out: number, rows: number, n: number): void;
  /** `y · (g − Σ y g)`, of y = softmax(x). */
  softmaxGrad(y: number, g: number, out: number, rows: number, n: number): void;
  /** `(x − m) − ln Σ e^(x − m)`. A row that is −∞ throughout stays −∞. */
  logSoftmax(x: number, out: number, rows: number, n: number): void;
  /** `g − e^y Σ g`, of y = logSoftmax(x). */
  logSoftmaxGrad(y: number, g: number, out: number, rows: number, n: number): void;
  /** `m + ln Σ e^(x − m)`, one per row; −∞ for a row that is −∞ throughout, or empty. */
  logSumExp(x: number, out: number, rows: number, n: number): void;
  /**
   * `−Σ_c q_c logSoftmax(logits)_c` per row, q = (1 − labelSmoothing) · onehot(target) + labelSmoothing / n; 0 where the
   * target is `ignoreIndex`, ∞ where the row is −∞ throughout.
   * @param target int32 `[rows]`, each in `[0, n)` or `ignoreIndex`: the caller has checked
   */
  crossEntropy(logits: number, target: number, loss: number, rows: number, n: number, labelSmoothing: number, ignoreIndex: number): void;
  /** `g · (softmax(logits) − q)`, g one per row; 0 where ignored, and in a row that is −∞ throughout. */
  crossEntropyGrad(
    logits: number,
    target: number,
    g: number,
    out: number,
    rows: number,
    n: number,
    labelSmoothing: number,
    ignoreIndex: number,
  ): void;
}

export const softmax: Family<SoftmaxKernels> = /* @__PURE__ */ defineFamily("softmax", wasm, reference);
