import type { EdgesTiming } from "@heed/graph-attention/benchmarks";

/** What was asked of the kernels, and what came out. */
export interface KernelFigure {
  readonly name: string;
  readonly build: string;
  readonly threads: number;
  /** Of the fastest call. */
  readonly milliseconds: number;
  readonly gflops: number | null;
  readonly ofPeak: number | null;
  readonly gbps?: number | null;
}

export interface KernelGate {
  readonly asked: string;
  readonly measured: number | null;
  readonly met: boolean | null;
}

/** A gate is met when the figure is at least (for `most`: at most) the bound. Null: not measured. */
export function judgeKernels(figures: readonly KernelFigure[], edges: readonly EdgesTiming[] = []): KernelGate[] {
  const find = (name: string, build: string, threads = 1) =>
    figures.find((one) => one.name === name && one.build === build && one.threads === threads);
  const atLeast = (asked: string, bound: number, measured: number | null): KernelGate => ({
    asked,
    measured,
    met: measured === null ? null : measured >= bound,
  });
  /** The least share of the peak of those that match. */
  const share = (names: RegExp, build: string): number | null => {
    const found = figures.filter((one) => names.test(one.name) && one.build === build && one.threads === 1 && one.ofPeak !== null);
    return found.length === 0 ? null : Math.min(...found.map(({ ofPeak }) => ofPeak!));
  };
  /** How many times as long the first takes. */
  const over = (slow: KernelFigure | undefined, quick: KernelFigure | undefined): number | null =>
    slow === undefined || quick === undefined ? null : slow.milliseconds / quick.milliseconds;
  const fast = (name: string) => find(name, "relaxed");
  const backward = over(fast("attention-1024-full-backward"), fast("attention-1024-full"));
  const transposed = figures
    .filter(({ name, build }) => /^matmul-\d+-(nt|tn)$/.test(name) && Number(/\d+/.exec(name)![0]) >= 256 && build === "relaxed")
    .flatMap((one) => {
      const plain = figures.find(({ name, build }) => name === one.name.slice(0, -3) && build === one.build);
      return plain?.gflops && one.gflops ? [one.gflops / plain.gflops] : [];
    });
  // 16,384 of them were timed; the score of 512 × 512 pairs of width 64 has 512 · 512 · 64.
  const tanh = fast("tanh-16384");
  const additive = fast("additive-512");
  const ofDense = over(fast("additive-512-dense"), additive);
  const ofTanh =
    tanh === undefined || additive === undefined ? null : additive.milliseconds / (tanh.milliseconds * ((512 * 512 * 64) / 16384));
  const alongEdges = edges.length === 0 ? null : Math.max(...edges.map(({ forward, probe }) => forward / probe));
  return [
    atLeast("matrix product n ≥ 256: ≥ 0.90 of peak", 0.9, share(/^matmul-(256|384|512|768|1024)$/, "relaxed")),
    atLeast("matrix product n = 64: ≥ 0.75 of peak", 0.75, share(/^matmul-64$/, "relaxed")),
    atLeast("plain-SIMD matrix product n ≥ 256: ≥ 0.62 of peak", 0.62, share(/^matmul-(256|384|512|768|1024)$/, "simd")),
    atLeast("A·Bᵀ and Aᵀ·B, n ≥ 256: ≥ 0.95 of A·B", 0.95, transposed.length === 0 ? null : Math.min(...transposed)),
    atLeast("attention full, L = 1024 and 4096: ≥ 0.78 of peak", 0.78, share(/^attention-(1024|4096)-full$/, "relaxed")),
    atLeast("causal ≥ 1.85 × faster than full", 1.85, over(fast("attention-1024-full"), fast("attention-1024-causal"))),
    atLeast("window(255, 0) at L = 4096 ≥ 12 × faster than full", 12, over(fast("attention-4096-full"), fast("attention-4096-window"))),
    atLeast("attention backward full: ≥ 0.80 of peak", 0.8, share(/^attention-1024-full-backward$/, "relaxed")),
    { asked: "attention backward ≤ 2.7 × the forward", measured: backward, met: backward === null ? null : backward <= 2.7 },
    {
      asked: "additive score, L = 512: ≥ 20 × the dense definition, or (a figure below 20) within 2.5 × of the time of its tanh",
      measured: ofDense !== null && ofDense >= 20 ? ofDense : ofTanh,
      met: ofDense === null || ofTanh === null ? null : ofDense >= 20 || ofTanh <= 2.5,
    },
    ...["attention-1024-full", "attention-1024-full-backward", "matmul-512-api"].map((name) =>
      atLeast(`two threads ≥ 1.7 × one: ${name}`, 1.7, over(find(name, "relaxed", 1), find(name, "relaxed", 2))),
    ),
    atLeast("wide mode: matrix product n = 512 ≥ 1.7 × narrow", 1.7, over(fast("matmul-512-api"), find("matmul-512-api", "wide"))),
    {
      asked: "attention along edges, forward, at every number of edges: ≤ 2 × adding up random rows",
      measured: alongEdges,
      met: alongEdges === null ? null : alongEdges <= 2,
    },
  ];
}
