import { wasm } from "#wasm/streaming-backward";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/** The gradient of streaming attention: a module of its own, since a page that only infers needs none. */
export interface StreamingBackwardKernels {
  /**
   * Chunks `[from, to)` of `backwardChunks(job)`: chunk `⌊b / chunkBatches⌋ · ⌈Hkv / chunkHeads⌉ + ⌊kv head / chunkHeads⌋`; its samples, heads, tiles
   * of keys and blocks of queries follow one another in that order. The job is that of `forward`, with what it left: output, maximum, sum.
   *
   * @param scratch `backwardScratchBytes(job)` bytes, aligned to 64, of any content; one per thread
   */
  backward(job: number, from: number, to: number, scratch: number): void;
}

export const streamingBackward: Family<StreamingBackwardKernels> = /* @__PURE__ */ defineFamily<StreamingBackwardKernels>(
  "streaming-backward",
  wasm,
  reference,
);
