import { expect, it } from "vitest";
import { judgeKernels, type KernelFigure } from "./gates.ts";

const figure = (name: string, milliseconds: number, ofPeak: number | null = null, build = "relaxed", threads = 1): KernelFigure => ({
  name,
  build,
  threads,
  milliseconds,
  gflops: ofPeak === null ? null : 58 * ofPeak,
  ofPeak,
});
const found = (figures: readonly KernelFigure[], words: string) => judgeKernels(figures).find(({ asked }) => asked.includes(words))!;

it("judges the kernel that comes off worst, and none that was not measured", () => {
  const products = [figure("matmul-256", 0, 0.93), figure("matmul-1024", 0, 0.89), figure("matmul-128", 0, 0.5)];
  expect(found(products, "n ≥ 256: ≥ 0.90")).toMatchObject({ measured: 0.89, met: false });
  expect(found(products, "n = 64")).toMatchObject({ measured: null, met: null });
  expect(found(products.slice(0, 1), "n ≥ 256: ≥ 0.90")).toMatchObject({ met: true });
});

it("compares kernels with one another: masks with full, transposed with plain, backward with forward", () => {
  const figures = [
    figure("attention-1024-full", 44, 0.84),
    figure("attention-1024-causal", 22, 0.83),
    figure("attention-1024-full-backward", 120, 0.81),
    figure("matmul-512", 0, 0.95),
    figure("matmul-512-tn", 0, 0.87),
  ];
  expect(found(figures, "causal")).toMatchObject({ measured: 2, met: true });
  expect(found(figures, "2.7 × the forward")).toMatchObject({ met: false });
  expect(found(figures, "A·Bᵀ")).toMatchObject({ met: false });
});

it("takes an additive score for good by either of its bounds", () => {
  const tanh = figure("tanh-16384", 0.01); // 10.24 ms for those of the score.
  const judged = (additive: number, dense: number) =>
    found([tanh, figure("additive-512", additive), figure("additive-512-dense", dense)], "additive").met;
  expect(judged(25, 30)).toBe(true);
  expect(judged(30, 590)).toBe(false);
  expect(judged(30, 610)).toBe(true);
});

it("compares builds, and threads of the same build", () => {
  const product = (milliseconds: number, build: string, threads = 1) => figure("matmul-512-api", milliseconds, null, build, threads);
  const figures = [product(5, "relaxed"), product(2.6, "wide"), product(3, "relaxed", 2)];
  expect(found(figures, "wide mode")).toMatchObject({ met: true });
  expect(found(figures, "two threads ≥ 1.7 × one: matmul")).toMatchObject({ met: false });
});

it("judges edges by the size that comes off worst", () => {
  const edges = [
    { edges: 1e4, nodes: 1e3, probe: 10, forward: 19, backward: 40 },
    { edges: 1e5, nodes: 1e4, probe: 10, forward: 21, backward: 40 },
  ];
  const gate = (list: typeof edges) => judgeKernels([], list).find(({ asked }) => asked.includes("along edges"))!;
  expect(gate(edges)).toMatchObject({ measured: 2.1, met: false });
  expect(gate(edges.slice(0, 1))).toMatchObject({ measured: 1.9, met: true });
  expect(gate([])).toMatchObject({ measured: null, met: null });
});
