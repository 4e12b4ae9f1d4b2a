import type { Experiment, RunResult } from "../../experiment.ts";
import { number, percent, quantile } from "../../format.ts";
import type { Outcome, Section } from "../../report/outcome.ts";
import type { KernelSamples } from "./samples.ts";

/** Each kernel's speed against what a probe of the vector unit reaches in the same run. */
export const kernels: Experiment = {
  name: "kernels",
  summary: "how near the kernels come to the peak of the machine",
  description:
    "Matrix products of several sizes, plain and with either operand transposed, in every WebAssembly build, on one thread.\nA probe that does arithmetic in registers only is timed in between; the best it reaches is the peak that counts.\nRun it on an otherwise idle machine.",
  profiles: {
    smoke: { summary: "n = 64, 128, 256; a few seconds", seeds: 1, sizes: [64, 128, 256], steps: 3 },
    quick: {
      summary: "n = 64 … 1024, 12 times; about half a minute",
      seeds: 1,
      sizes: [64, 128, 197, 256, 384, 512, 768, 1024],
      steps: 12,
    },
    full: { summary: "n = 64 … 1024, 40 times; about two minutes", seeds: 1, sizes: [64, 128, 197, 256, 384, 512, 768, 1024], steps: 40 },
  },
  alone: true,
  stages: [
    {
      name: "measure",
      title: "measure",
      plan: ({ profile, settings }) => [
        { id: "matmul", model: "matmul", seed: settings.seed, config: { sizes: profile.sizes!, steps: profile.steps! } },
      ],
    },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome: ({ results }) => outcome(results[0]),
};

interface Row {
  readonly name: string;
  readonly shape: readonly number[];
  readonly build: string;
  /** Of the fastest sample. */
  readonly gflops: number;
  readonly ofPeak: number;
  readonly medianGflops: number;
  readonly medianOfPeak: number;
}

function outcome(result: RunResult | undefined): Outcome {
  const samples = result?.details as unknown as KernelSamples | undefined;
  const columns = [
    { label: "kernel" },
    { label: "build" },
    ...["shape", "GFLOP/s", "median", "of peak", "median"].map((label) => ({ label, align: "right" as const })),
  ];
  if (!samples)
    return {
      headline: "Interrupted before the measurement was complete.",
      models: [],
      table: { columns, rows: [] },
      sections: [],
      extra: { peak: null, kernels: [] },
    };
  const peak = Math.max(...samples.peak);
  const medianPeak = quantile(samples.peak, 0.5);
  const rows = samples.kernels.map(({ name, shape, build, gflops }): Row => {
    const [best, median] = [Math.max(...gflops), quantile(gflops, 0.5)];
    return { name, shape, build, gflops: best, ofPeak: best / peak, medianGflops: median, medianOfPeak: median / medianPeak };
  });
  const judged = rows.filter(({ name, build, shape }) => build === rows[0]!.build && shape[0]! >= 256 && name === `matmul-${shape[0]}`);
  const least = judged.length > 0 ? judged.reduce((a, b) => (b.ofPeak < a.ofPeak ? b : a)) : rows[0]!;
  return {
    headline: `Peak of this machine's 128-bit ${samples.fused ? "fused multiply-add" : "multiply and add"}: ${number(peak)} GFLOP/s on one thread. The slowest plain product from n = 256 on is ${least.name} (${least.build}) with ${number(least.gflops)} GFLOP/s, ${percent(least.ofPeak)} of it.`,
    models: [],
    table: {
      columns,
      rows: rows.map((row) => [
        row.name,
        row.build,
        row.shape.join(" × "),
        number(row.gflops),
        number(row.medianGflops),
        percent(row.ofPeak),
        percent(row.medianOfPeak),
      ]),
      note: `GFLOP/s: the fastest sample, then the median of ${samples.peak.length}. Of peak: the fastest against the fastest probe, the median against the median probe. nt: B transposed, tn: A transposed. One thread.`,
    },
    sections: [plot(rows, Math.max(...samples.multiplyAdd) / peak)],
    extra: {
      peak,
      peakMedian: medianPeak,
      peakUnit: "GFLOP/s",
      peakMultiplyAdd: Math.max(...samples.multiplyAdd),
      kernels: rows.map((row) => ({ ...row })),
    },
  };
}

function plot(rows: readonly Row[], unfused: number): Section {
  const builds = [...new Set(rows.map(({ build }) => build))];
  const layouts = [
    ["plain", ""],
    ["B transposed", "-nt"],
    ["A transposed", "-tn"],
  ] as const;
  return {
    kind: "curves",
    title: "Share of the peak",
    caption:
      "Fastest sample of each size, against the fastest probe of the fused multiply-add. The `simd` build multiplies and adds in two instructions: what the probe reaches that way is the dashed line, its own bound.",
    plots: layouts.map(([title, suffix]) => ({
      title,
      x: "n",
      y: "of peak",
      percent: true,
      references: [{ label: "multiply, then add", value: unfused }],
      series: builds.map((build) => ({
        name: build,
        runs: [
          rows
            .filter((row) => row.build === build && row.name === `matmul-${row.shape[0]}${suffix}`)
            .map((row) => [row.shape[0]!, row.ofPeak] as const),
        ],
      })),
    })),
  };
}
