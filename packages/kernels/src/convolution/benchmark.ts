import type { Build } from "../configure.ts";
import { features } from "../features.ts";
import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { measurePeak, type Peak } from "../probe/peak.ts";
import {
  convolution,
  correlateScratchBytes,
  packedKernelBytes,
  packedWinogradBytes,
  winogradQuads,
  winogradScratchBytes,
} from "./convolution.ts";

export interface ConvolutionTiming {
  /** `correlate-64-64-56` or `winograd-…`: channels in and out, side of the image; 3 × 3, padded by 1. */
  readonly name: string;
  readonly shape: readonly [C: number, O: number, side: number];
  readonly build: Build;
  /** Counted by the definition: `winograd` multiplies less than half as often, so that it can exceed the peak. */
  readonly gflops: number;
  /** The share of the peak of fused multiply-add, measured in the same run. */
  readonly ofPeak: number;
}

export interface ConvolutionBenchmark {
  readonly peak: Peak;
  readonly kernels: readonly ConvolutionTiming[];
}

export interface ConvolutionBenchmarkOptions {
  readonly shapes?: readonly (readonly [C: number, O: number, side: number])[];
  /** Of each round the best counts. */
  readonly rounds?: number;
  readonly builds?: readonly Build[];
  readonly onRound?: (done: number, rounds: number) => void;
}

/** Times 3 × 3 convolutions of one image on one thread, packing of the kernel included, the peak probe in between. Synchronous. */
export function benchmarkConvolution(options: ConvolutionBenchmarkOptions = {}): ConvolutionBenchmark {
  const {
    shapes = [
      [64, 64, 56],
      [128, 128, 28],
      [32, 32, 14],
    ],
    rounds = 40,
    onRound,
  } = options;
  const builds = (options.builds ?? ["relaxed", "simd"]).filter((build) => build === "simd" || features().relaxedSimd);
  const blocks: number[] = [];
  const room = (bytes: number) => {
    const at = allocateBlock(bytes);
    blocks.push(at);
    float32View()
      .subarray(at >>> 2, (at + bytes) >>> 2)
      .forEach((_, i, view) => (view[i] = ((i * 37) % 101) / 50 - 1));
    return at;
  };
  const cases = shapes.flatMap(([C, O, side]) => {
    const [x, weight, y] = [room(4 * C * side * side), room(36 * C * O), room(4 * O * side * side)];
    const [packed, transformed] = [room(packedKernelBytes(4, O, C, 9)), room(packedWinogradBytes(4, O, C))];
    const scratch = room(Math.max(correlateScratchBytes(C, O, 9, side + 2, side + 2), winogradScratchBytes(C, O, side, side)));
    const ends = [side, side, side * side] as const;
    return builds.flatMap((build) => {
      const { packKernel, correlate, packWinograd, winograd } = convolution.implementation(build);
      const works = {
        correlate: () => {
          packKernel(weight, packed, O, C, 9, 9 * C, 9, 1);
          correlate(x, packed, 0, y, C, side, side, O, 3, 3, 1, 1, 1, 1, ...ends, scratch);
        },
        winograd: () => {
          packWinograd(weight, transformed, O, C, 9 * C, 9, 1);
          winograd(x, transformed, 0, y, C, side, side, O, 1, 1, ...ends, winogradQuads(C, O), scratch);
        },
      };
      return Object.entries(works).map(([kernel, work]) => {
        const name = `${kernel}-${C}-${O}-${side}`;
        return { name, shape: [C, O, side] as const, build, flops: 18 * C * O * side * side, work, milliseconds: Infinity };
      });
    });
  });
  let fma: number | undefined;
  let mulAdd = 0;
  for (let round = 0; round < rounds; round++) {
    for (const timed of cases) {
      const peak = measurePeak(2);
      if (peak.fma !== undefined) fma = Math.max(fma ?? 0, peak.fma);
      mulAdd = Math.max(mulAdd, peak.mulAdd);
      const start = performance.now();
      timed.work();
      timed.milliseconds = Math.min(timed.milliseconds, performance.now() - start);
    }
    onRound?.(round + 1, rounds);
  }
  blocks.forEach(freeBlock);
  const kernels = cases.map(({ name, shape, build, flops, milliseconds }): ConvolutionTiming => {
    const gflops = flops / milliseconds / 1e6;
    return { name, shape, build, gflops, ofPeak: gflops / (fma ?? mulAdd) };
  });
  return { peak: { fma, mulAdd }, kernels };
}
