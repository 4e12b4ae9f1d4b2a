import { wasm } from "#wasm/rows";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Looking up by index, and its adjoint. Arrays are contiguous, indices int32, pointers in bytes. The caller has checked
 * that every index is in range. Gathers move items bit for bit, so those on float32 serve int32 as well.
 */
export interface RowKernels {
  /** `out[i, :] = table[ids[i], :]`: table `[·, width]`, ids `[count]`, out `[count, width]`. */
  gatherRows(table: number, ids: number, out: number, count: number, width: number): void;
  /** `out[ids[i], :] += src[i, :]`, in the order of i, so that repeated ids add up the same way each time. */
  scatterAddRows(src: number, ids: number, out: number, count: number, width: number): void;
  /** `out[o, i, k] = x[o, index[o, i, k], k]`: x `[outer, n, inner]`, index and out `[outer, m, inner]`. */
  gather(x: number, index: number, out: number, outer: number, n: number, m: number, inner: number): void;
  /** `out[o, index[o, i, k], k] += src[o, i, k]`, in order: src and index `[outer, m, inner]`, out `[outer, n, inner]`. */
  scatterAdd(src: number, index: number, out: number, outer: number, n: number, m: number, inner: number): void;
}

export const rows: Family<RowKernels> = /* @__PURE__ */ defineFamily("rows", wasm, reference);
