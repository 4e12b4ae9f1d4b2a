import { wasm } from "#wasm/streaming";
import { compiledFamily, type Family } from "@heed/kernels/light";

/** Attention that keeps a strip of scores at a time. A job is what job.ts describes. */
export interface StreamingKernels {
  /**
   * Chunks `[from, to)` of `forwardChunks(job)`: chunk `(b · H + h) · ⌈L / blockRows⌉ + block` computes a block of query rows of one head: output,
   * and what a job saves per row. Chunks write apart, so any thread may run any of them; bits do not depend on it.
   *
   * @param job a pointer to a job
   * @param scratch `forwardScratchBytes(job)` bytes, aligned to 64, of any content; one per thread
   */
  forward(job: number, from: number, to: number, scratch: number): void;
  /**
   * Looks for NaN and ±∞: `flags[b, h, i] = 1` where that row of x holds one, else 0.
   *
   * @param x real, strides in elements
   * @param flags bytes `[batches, heads, rows]`
   * @returns how many rows were flagged
   */
  flagRows(
    x: number,
    batches: number,
    heads: number,
    rows: number,
    width: number,
    batchStride: number,
    headStride: number,
    rowStride: number,
    flags: number,
  ): number;
}

/** Without the plain loops, for pages that compute in float32 on engines with WebAssembly SIMD. */
export const compiledStreaming: Family<StreamingKernels> = /* @__PURE__ */ compiledFamily<StreamingKernels>("streaming", wasm);
