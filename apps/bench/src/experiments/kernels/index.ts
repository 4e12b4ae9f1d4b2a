import type { EdgesTiming } from "@heed/graph-attention/benchmarks";
import type { Experiment, RunResult } from "../../experiment.ts";
import { number, percent, quantile, whole } from "../../format.ts";
import { quietnessOf, waitOption } from "../../machine/quiet-machine.ts";
import type { Outcome, Section } from "../../report/outcome.ts";
import { judgeKernels, type KernelFigure, type KernelGate } from "./gates.ts";
import type { EdgeSamples, KernelSamples, OperationSamples } from "./samples.ts";

/** Each kernel's speed against what a probe of the vector unit reaches in the same run. */
export const kernels: Experiment = {
  name: "kernels",
  summary: "how near the kernels come to the peak of the machine",
  description:
    "Matrix products of several sizes, plain and with either operand transposed, then attention forward and backward, additive scores, row\noperations, recurrence, convolution and the optimiser, in every WebAssembly build, some also on two threads; attention along edges of random graphs. A probe that does arithmetic in registers only is timed in between; the best it reaches is the peak that counts.\nRun it on an otherwise idle machine.",
  profiles: {
    smoke: {
      summary: "n = 64, 128, 256, operations once; a few seconds",
      seeds: 1,
      sizes: [64, 128, 256],
      edgeCounts: [1e3, 1e4],
      steps: 3,
      rounds: 1,
      sampleMilliseconds: 1,
      waitSeconds: 0,
    },
    quick: {
      summary: "n = 64 … 1024, 12 times, operations 5 times; about a minute",
      seeds: 1,
      sizes: [64, 128, 197, 256, 384, 512, 768, 1024],
      edgeCounts: [1e4, 1e5, 1e6],
      steps: 12,
      rounds: 5,
      sampleMilliseconds: 20,
      waitSeconds: 20,
    },
    full: {
      summary: "everything 40 times; about eight minutes",
      seeds: 1,
      sizes: [64, 128, 197, 256, 384, 512, 768, 1024],
      edgeCounts: [1e4, 1e5, 1e6],
      steps: 40,
      rounds: 40,
      sampleMilliseconds: 40,
      waitSeconds: 300,
    },
  },
  options: [waitOption("kind of measurement")],
  alone: true,
  stages: [
    {
      name: "measure",
      title: "measure",
      plan: ({ profile, settings }) => {
        const waitSeconds = (settings.options.wait ?? profile.waitSeconds) as number;
        return [
          { id: "matmul", model: "matmul", seed: settings.seed, config: { sizes: profile.sizes!, steps: profile.steps!, waitSeconds } },
          {
            id: "operations",
            model: "operations",
            seed: settings.seed,
            config: { steps: profile.rounds!, sampleMilliseconds: profile.sampleMilliseconds!, waitSeconds },
            cost: 3,
          },
          {
            id: "edges",
            model: "edges",
            seed: settings.seed,
            config: { edgeCounts: profile.edgeCounts!, steps: profile.rounds!, waitSeconds },
          },
        ];
      },
    },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome: ({ results }) =>
    outcome(
      results.find(({ id }) => id === "matmul"),
      results.find(({ id }) => id === "operations"),
      results.find(({ id }) => id === "edges"),
    ),
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

function outcome(result: RunResult | undefined, operations: RunResult | undefined, graphs: RunResult | undefined): Outcome {
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
  const operationSamples = operations?.details as unknown as OperationSamples | undefined;
  const measured = operationSamples === undefined ? [] : figures(operationSamples);
  const edges = graphs?.details === undefined ? [] : edgeFigures(graphs.details as unknown as EdgeSamples);
  const gates = judgeKernels([...rows.map((row) => ({ ...row, threads: 1, milliseconds: 0 })), ...measured], edges);
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
      note: `GFLOP/s: the fastest sample, then the median of ${samples.peak.length}. Of peak: the fastest against the fastest probe, the median against the median probe. nt: B transposed, tn: A transposed. One thread. ${quietnessOf([samples.quietness, operationSamples?.quietness])}`,
    },
    sections: [
      plot(rows, Math.max(...samples.multiplyAdd) / peak),
      ...(measured.length === 0 ? [] : [operationSection(measured)]),
      ...(edges.length === 0 ? [] : [edgeSection(edges)]),
      gateSection(gates),
    ],
    extra: {
      peak,
      peakMedian: medianPeak,
      peakUnit: "GFLOP/s",
      peakMultiplyAdd: Math.max(...samples.multiplyAdd),
      kernels: [...rows.map((row) => ({ ...row, threads: 1 })), ...measured.map((figure) => ({ ...figure }))],
      edges: edges.map((figure) => ({ ...figure })),
      gates: gates.map((gate) => ({ ...gate })),
    },
  };
}

/** The fastest of each counts. */
function edgeFigures({ steps }: EdgeSamples): EdgesTiming[] {
  return steps[0]!.map(({ edges, nodes }, i) => {
    const best = (of: "probe" | "forward" | "backward") => Math.min(...steps.map((timings) => timings[i]![of]));
    return { edges, nodes, probe: best("probe"), forward: best("forward"), backward: best("backward") };
  });
}

function edgeSection(edges: readonly EdgesTiming[]): Section {
  const labels = ["edges", "nodes", "probe", "forward", "of the probe", "backward", "of the probe"];
  return {
    kind: "table",
    title: "Attention along edges",
    caption:
      "A GAT layer of 8 heads of 8 numbers on random graphs, its projections apart: nanoseconds per edge, the fastest. The probe adds up rows of 64 numbers picked at random, in the order of the edges: forward picks as many rows, backward twice as many. One thread.",
    table: {
      columns: labels.map((label) => ({ label, align: "right" as const })),
      rows: edges.map(({ edges: count, nodes, probe, forward, backward }) => [
        whole(count),
        whole(nodes),
        number(probe),
        number(forward),
        number(forward / probe),
        number(backward),
        number(backward / probe),
      ]),
    },
  };
}

/** The fastest of each counts, against the fastest probe. */
function figures({ peak: peaks, operations }: OperationSamples): KernelFigure[] {
  const peak = Math.max(...peaks);
  return operations.flatMap(({ name, build, threads, milliseconds: all, flops, bytes }) => {
    const there = all.filter((time) => time !== null);
    if (there.length === 0) return [];
    const milliseconds = Math.min(...there);
    const gflops = flops === undefined ? null : flops / milliseconds / 1e6;
    const gbps = bytes === undefined ? null : bytes / milliseconds / 1e6;
    return [{ name, build, threads, milliseconds, gflops, gbps, ofPeak: gflops === null ? null : gflops / peak }];
  });
}

function operationSection(measured: readonly KernelFigure[]): Section {
  const right = (label: string) => ({ label, align: "right" as const });
  return {
    kind: "table",
    title: "Operations",
    caption:
      "Through the public API, copies and bookkeeping included; backward without its forward. The peak is that of vectors of 128 bits, for the wide build too, and of one thread, for two as well. Convolution counts the multiplications of its definition, of which less than half are made. GB/s counts what is read and written once.",
    table: {
      columns: [
        { label: "operation" },
        { label: "build" },
        right("threads"),
        right("ms"),
        right("GFLOP/s"),
        right("of peak"),
        right("GB/s"),
      ],
      rows: measured.map(({ name, build, threads, milliseconds, gflops, ofPeak, gbps }) => [
        name,
        build,
        String(threads),
        number(milliseconds),
        gflops === null ? "–" : number(gflops),
        ofPeak === null ? "–" : percent(ofPeak),
        gbps === null || gbps === undefined ? "–" : number(gbps),
      ]),
    },
  };
}

function gateSection(gates: readonly KernelGate[]): Section {
  return {
    kind: "table",
    title: "Gates",
    caption: "What was asked for, and what came out; of several kernels the one that comes off worst.",
    table: {
      columns: [{ label: "asked for" }, { label: "measured", align: "right" }, { label: "met" }],
      rows: gates.map(({ asked, measured, met }) => [
        asked,
        measured === null ? "–" : number(measured),
        met === null ? "not measured" : met ? "yes" : "NO",
      ]),
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
