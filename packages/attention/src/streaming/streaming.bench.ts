// node --conditions=@heed/source src/streaming/streaming.bench.ts [rounds [part of a name]]
import { allocateBlock, features, float32View, int32View, type Build } from "@heed/kernels";
import { measurePeak } from "@heed/kernels/benchmarks";
import { streamingBackward } from "../streaming-backward/streaming-backward.ts";
import { JOB, MASK_FORMS, writeJob, type Job } from "./job.ts";
import { backwardChunks, backwardScratchBytes, blocksOf, forwardChunks, forwardScratchBytes } from "./plan.ts";
import { streaming } from "./streaming.ts";

// Of each chunk the best of many rounds counts, works in turn, and the peak of fused multiply-add between them: a busy machine disturbs short samples
// little. FLOPs are those of the pairs that the mask opens: 4 D per pair forward, 10 D backward.

const [H, D] = [8, 64];
const rounds = Number(process.argv[2] ?? 12);
const wanted = process.argv[3] ?? "";

interface Timed {
  readonly name: string;
  readonly flops: number;
  readonly run: (chunk: number) => void;
  /** Of each chunk. */
  readonly milliseconds: number[];
}

const works: Timed[] = [];
function add(name: string, L: number, build: Build, low: ((i: number) => number) | undefined, backward: boolean): void {
  const block = () => {
    const pointer = allocateBlock(4 * H * L * D);
    float32View()
      .subarray(pointer >>> 2, (pointer >>> 2) + H * L * D)
      .forEach((_, i, view) => (view[i] = ((i * 37) % 101) / 50 - 1));
    return pointer;
  };
  const sizes = { B: 1, H, Hkv: H, L, S: L, D, E: D };
  const blocks = blocksOf(sizes);
  const strides = (name: string) => ({ [`${name}Head`]: L * D, [`${name}Row`]: D });
  let pairs = H * L * L;
  let mask: Partial<Job> = {};
  if (low !== undefined) {
    const bounds = allocateBlock(8 * L);
    const ints = int32View();
    pairs = 0;
    for (let i = 0; i < L; i++) {
      ints[(bounds >>> 2) + 2 * i] = low(i);
      ints[(bounds >>> 2) + 2 * i + 1] = i + 1;
      pairs += H * (i + 1 - low(i));
    }
    mask = { maskForm: MASK_FORMS.ranges, ranges: 1, bounds };
  }
  const job = allocateBlock(JOB.bytes);
  writeJob(job, {
    ...sizes,
    ...blocks,
    ...mask,
    ...strides("query"),
    ...strides("key"),
    ...strides("value"),
    ...strides("output"),
    ...strides("outputGradient"),
    ...strides("queryGradient"),
    ...strides("keyGradient"),
    ...strides("valueGradient"),
    query: block(),
    key: block(),
    value: block(),
    output: block(),
    outputGradient: block(),
    queryGradient: block(),
    keyGradient: block(),
    valueGradient: block(),
    rowMaximum: allocateBlock(4 * H * L),
    rowSum: allocateBlock(4 * H * L),
    savedHead: L,
    savedRow: 1,
    scale: 0.125,
    chunkBatches: 1,
    chunkHeads: 1,
  });
  const scratch = allocateBlock(Math.max(forwardScratchBytes({ ...sizes, ...blocks }), backwardScratchBytes({ ...sizes, ...blocks })));
  const { forward } = streaming.implementation(build);
  if (backward) forward(job, 0, forwardChunks({ ...sizes, ...blocks }), scratch); // leaves maximum and sum
  works.push({
    name: `attention-${L}-${name}-${build}`,
    flops: 4 * D * pairs,
    run: (chunk) => forward(job, chunk, chunk + 1, scratch),
    milliseconds: Array<number>(forwardChunks({ ...sizes, ...blocks })).fill(Infinity),
  });
  if (!backward) return;
  const kernel = streamingBackward.implementation(build).backward;
  works.push({
    name: `attention-${L}-${name}-${build}-backward`,
    flops: 10 * D * pairs,
    run: (chunk) => kernel(job, chunk, chunk + 1, scratch),
    milliseconds: Array<number>(backwardChunks({ B: 1, Hkv: H, chunkBatches: 1, chunkHeads: 1 })).fill(Infinity),
  });
}

const causal = () => 0;
const window = (i: number) => Math.max(0, i - 255);
for (const build of (["relaxed", "simd"] as const).filter((one) => one === "simd" || features().relaxedSimd)) {
  add("full", 197, build, undefined, true);
  add("full", 1024, build, undefined, true);
  add("causal", 1024, build, causal, true);
  if (build === "simd") continue;
  add("full", 4096, build, undefined, false);
  add("window", 4096, build, window, true);
}

let peak = 0;
works.splice(0, works.length, ...works.filter(({ name }) => name.includes(wanted)));
for (let round = 0; round < rounds; round++) {
  for (const { run, milliseconds } of works) {
    const { fma, mulAdd } = measurePeak(3);
    peak = Math.max(peak, fma ?? mulAdd);
    for (const chunk of milliseconds.keys()) {
      const start = performance.now();
      run(chunk);
      milliseconds[chunk] = Math.min(milliseconds[chunk], performance.now() - start);
    }
  }
}
console.log(`peak ${peak.toFixed(1)} GFLOP/s`);
for (const { name, flops, milliseconds } of works) {
  const all = milliseconds.reduce((sum, one) => sum + one);
  const rate = flops / all / 1e6;
  const [time, gflops, ofPeak] = [all.toFixed(2).padStart(9), rate.toFixed(1).padStart(6), ((100 * rate) / peak).toFixed(1).padStart(6)];
  console.log(`${name.padEnd(42)} ${time} ms ${gflops} GFLOP/s ${ofPeak} % of peak`);
}
