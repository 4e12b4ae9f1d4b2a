import { features } from "../features.ts";
import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { matmulScratchBytes } from "./blocking.ts";
import { matmul } from "./matmul.ts";

const SIZE = 64;
/** Some 20 µs of them. */
const REPEATS = 2;

/**
 * GFLOP/s of small products on this thread right now, `count` times about 20 µs, one after the other: what a core gives to work that keeps its
 * arithmetic, its decoders and its first cache busy all at once. Where a core is shared with another thread of the processor, unseen, this falls by
 * a third when that one works at whatever, while arithmetic in registers (`measurePeak`) hardly slows down.
 */
export function measurePace(count: number): number[] {
  const { gemm } = matmul.implementation(features().relaxedSimd ? "relaxed" : "simd");
  const floats = SIZE * SIZE;
  const [a, b, c, scratch] = [floats, floats, floats, matmulScratchBytes(SIZE, SIZE, SIZE) / 4].map((size) => allocateBlock(4 * size));
  for (const operand of [a, b]) float32View().fill(0.5, operand >>> 2, (operand >>> 2) + floats);
  try {
    return Array.from({ length: count }, () => {
      const start = performance.now();
      for (let i = 0; i < REPEATS; i++) gemm(SIZE, SIZE, SIZE, a, SIZE, 1, b, SIZE, 1, c, SIZE, 0, scratch);
      return (REPEATS * 2 * SIZE * SIZE * SIZE) / Math.max(performance.now() - start, 1e-6) / 1e6;
    });
  } finally {
    for (const block of [a, b, c, scratch]) freeBlock(block);
  }
}
