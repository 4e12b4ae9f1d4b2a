import { allocateBlock, features, float32View, freeBlock, int32View, uint8View, type Build } from "@heed/kernels";
import { measurePeak, type Peak } from "@heed/kernels/benchmarks";
import { gruShape, hiddenPieces, lstmShape, plainShape } from "./cell-shape.ts";
import { packedBackwardBytes, packedForwardBytes, sequenceScratchBytes } from "./layout.ts";
import { sequence } from "./sequence.ts";

export interface SequenceTiming {
  /** `lstm-forward`, `gru-backward`, … */
  readonly name: string;
  /** B sequences, L steps, H units. */
  readonly shape: readonly [B: number, L: number, H: number];
  readonly build: Build;
  /** Of the hidden product alone: 2 · B · L · H · H per block of the hidden weight. Gates are not counted, only waited for. */
  readonly gflops: number;
  /** The share of the peak of fused multiply-add, measured in the same run. */
  readonly ofPeak: number;
}

export interface SequenceBenchmark {
  readonly peak: Peak;
  readonly kernels: readonly SequenceTiming[];
}

export interface SequenceBenchmarkOptions {
  readonly shapes?: readonly (readonly [B: number, L: number, H: number])[];
  /** Of each round the best counts. */
  readonly rounds?: number;
  readonly builds?: readonly Build[];
  readonly onRound?: (done: number, rounds: number) => void;
}

const CELLS = [
  ["lstm", lstmShape],
  ["gru", gruShape],
  ["tanh", plainShape],
] as const;

/** Times whole recurrences without their input projection, on one thread, the peak probe in between. Synchronous. */
export function benchmarkSequence(options: SequenceBenchmarkOptions = {}): SequenceBenchmark {
  const {
    shapes = [
      [16, 20, 256],
      [32, 20, 128],
    ],
    rounds = 40,
    onRound,
  } = options;
  const builds = (options.builds ?? ["relaxed", "simd"]).filter((build) => build === "simd" || features().relaxedSimd);
  const blocks: number[] = [];
  const room = (bytes: number) => {
    const at = allocateBlock(bytes);
    uint8View().fill(0, at, at + bytes);
    blocks.push(at);
    return at;
  };
  const ints = (values: readonly number[]) => {
    const at = room(4 * values.length);
    int32View().set(values, at >>> 2);
    return at;
  };
  const cases = shapes.flatMap(([B, L, H]) => {
    const N = B * L;
    const offsets = ints(Array.from({ length: L + 2 }, (_, s) => B * Math.min(s, L)));
    const index = ints(Array.from({ length: N }, (_, n) => (n % B) * L + Math.floor(n / B)));
    const weight = room(16 * H * H);
    float32View()
      .subarray(weight >>> 2, (weight >>> 2) + 4 * H * H)
      .forEach((_, i, view) => (view[i] = (((i * 37) % 101) / 50 - 1) / Math.sqrt(H)));
    const [gates, dgates] = [room(16 * N * H), room(16 * N * H)];
    const [cells, before, y] = [room(4 * N * H), room(4 * N * H), room(4 * N * H)];
    const [h, c] = [room(4 * B * H), room(4 * B * H)];
    const scratch = room(sequenceScratchBytes(4, B, H));
    return CELLS.flatMap(([cell, shape]) => {
      const { slots, hidden } = shape;
      const forwardWeight = room(packedForwardBytes(4, hidden.length, slots, H));
      const backwardWeight = room(packedBackwardBytes(4, hidden.length * H, H));
      const flops = 2 * N * H * H * hidden.length;
      const [row, states] = [slots * H, [h, c]] as const;
      return builds.flatMap((build) => {
        const kernels = sequence.implementation(build);
        const pack = () => {
          kernels.packForward(weight, 0, forwardWeight, hidden.length, slots, H);
          for (const { from, count } of hiddenPieces(shape))
            kernels.packBackward(weight + 4 * from * H * H, backwardWeight + packedBackwardBytes(4, from * H, H), count * H, H);
        };
        const forward = () =>
          kernels[`${cell}Forward`](gates, row, 0, forwardWeight, 1, h, c, y, H, ...states, offsets, index, L, H, 0, 0, B, scratch);
        const backward = () =>
          kernels[`${cell}Backward`](
            dgates,
            gates,
            row,
            cells,
            c,
            before,
            backwardWeight,
            y,
            H,
            ...states,
            ...states,
            offsets,
            index,
            L,
            H,
            0,
            B,
            scratch,
          );
        return [
          { name: `${cell}-forward`, shape: [B, L, H] as const, build, flops, pack, work: forward, milliseconds: Infinity },
          { name: `${cell}-backward`, shape: [B, L, H] as const, build, flops, pack, work: backward, milliseconds: Infinity },
        ];
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
      timed.pack();
      const start = performance.now();
      timed.work();
      timed.milliseconds = Math.min(timed.milliseconds, performance.now() - start);
    }
    onRound?.(round + 1, rounds);
  }
  blocks.forEach(freeBlock);
  const kernels = cases.map(({ name, shape, build, flops, milliseconds }): SequenceTiming => {
    const gflops = flops / milliseconds / 1e6;
    return { name, shape, build, gflops, ofPeak: gflops / (fma ?? mulAdd) };
  });
  return { peak: { fma, mulAdd }, kernels };
}
