import type { Build } from "../configure.ts";
import { features } from "../features.ts";
import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { wideObstacle } from "../wide/wide-obstacle.ts";
import { allowWide } from "../wide/wide.ts";
import { measurePeak, type Peak } from "../probe/peak.ts";
import { matmulScratchBytes } from "./blocking.ts";
import { matmul } from "./matmul.ts";

export interface KernelTiming {
  /** `matmul-512`, `matmul-512-nt` (B transposed), `matmul-512-tn` (A transposed). */
  readonly name: string;
  readonly shape: readonly [m: number, n: number, k: number];
  readonly build: Build;
  readonly gflops: number;
  /** The share of the peak of fused multiply-add (of multiply and add where there is none), measured in the same run. */
  readonly ofPeak: number;
}

export interface KernelBenchmark {
  readonly peak: Peak;
  readonly kernels: readonly KernelTiming[];
}

export interface MatmulBenchmarkOptions {
  readonly sizes?: readonly number[];
  /** Of each round the best counts; more rounds, less disturbance by other processes. */
  readonly rounds?: number;
  readonly builds?: readonly Build[];
  readonly onRound?: (done: number, rounds: number) => void;
}

const LAYOUTS = [
  ["", false, false],
  ["-nt", false, true],
  ["-tn", true, false],
] as const;
const SAMPLE_MILLISECONDS = 2;

/**
 * Times square matrix products on one thread, every build (the wide one where it can run) and layout in turn, the peak probe in between. Synchronous; about half a
 * second per round with the default sizes.
 */
export function benchmarkMatmul(options: MatmulBenchmarkOptions = {}): KernelBenchmark {
  const { sizes = [64, 128, 197, 256, 512, 1024], rounds = 40, onRound } = options;
  allowWide();
  const builds = (options.builds ?? ["relaxed", "simd", "wide"]).filter(
    (build) => build === "simd" || (features().relaxedSimd && (build === "relaxed" || wideObstacle() === undefined)),
  );
  const largest = Math.max(...sizes);
  const [a, b, c, scratch] = [
    largest * largest,
    largest * largest,
    largest * largest,
    matmulScratchBytes(largest, largest, largest) / 4,
  ].map((size) => allocateBlock(4 * size));
  for (const operand of [a, b])
    float32View()
      .subarray(operand >>> 2, (operand >>> 2) + largest * largest)
      .forEach((_, i, view) => (view[i] = ((i * 37) % 101) / 50 - 1));

  const cases = sizes.flatMap((n) =>
    LAYOUTS.flatMap(([suffix, transposedA, transposedB]) =>
      builds.map((build) => {
        const [rowA, columnA] = transposedA ? [1, n] : [n, 1];
        const [rowB, columnB] = transposedB ? [1, n] : [n, 1];
        const { gemm } = matmul.implementation(build);
        const work = () => gemm(n, n, n, a, rowA, columnA, b, rowB, columnB, c, n, 0, scratch);
        return { name: `matmul-${n}${suffix}`, n, build, work, milliseconds: Infinity };
      }),
    ),
  );
  let fma: number | undefined;
  let mulAdd = 0;
  for (let round = 0; round < rounds; round++) {
    for (const timed of cases) {
      const peak = measurePeak(2);
      if (peak.fma !== undefined) fma = Math.max(fma ?? 0, peak.fma);
      mulAdd = Math.max(mulAdd, peak.mulAdd);
      timed.milliseconds = Math.min(timed.milliseconds, sample(timed.work, timed.milliseconds));
    }
    onRound?.(round + 1, rounds);
  }
  for (const block of [a, b, c, scratch]) freeBlock(block);

  const kernels = cases.map(({ name, n, build, milliseconds }): KernelTiming => {
    const gflops = (2 * n * n * n) / milliseconds / 1e6;
    return { name, shape: [n, n, n], build, gflops, ofPeak: gflops / (fma ?? mulAdd) };
  });
  return { peak: { fma, mulAdd }, kernels };
}

/** Milliseconds of one call, over as many as fill a sample by what is known so far. */
function sample(work: () => void, expected: number): number {
  const repeats = Number.isFinite(expected) ? Math.max(1, Math.ceil(SAMPLE_MILLISECONDS / expected)) : 1;
  // One call before the clock starts: the operands may have left the caches since the last sample, and not for each layout alike.
  if (repeats > 1) work();
  const start = performance.now();
  for (let i = 0; i < repeats; i++) work();
  return Math.max(performance.now() - start, 1e-6) / repeats;
}
