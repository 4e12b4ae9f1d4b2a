import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "../testing/workspace.ts";
import { reduce, type ReduceKernels } from "./reduce.ts";

const exact = reduce.implementation("reference", "float64");

type RealName = "sum" | "sumSquares" | "max" | "min" | "cumsum";
type Shape = readonly [outer: number, n: number, inner: number];

const SHAPES: Shape[] = [
  ...[1, 2, 3, 4, 5, 15, 16, 17, 33, 1023, 1024, 1025, 3000].map((n) => [2, n, 1] as const),
  ...[1, 3, 63, 64, 65, 200].flatMap((n) => [2, 3, 4, 5, 8, 9, 17].map((inner) => [2, n, inner] as const)),
  [0, 3, 4], [3, 4, 0], [1, 1, 1],
];

function run(kernels: ReduceKernels, dtype: "float32" | "float64", name: RealName, x: readonly number[], [outer, n, inner]: Shape): number[] {
  return inWorkspace(dtype, (w) => {
    const count = name === "cumsum" ? x.length : outer * inner;
    const [from, to] = [w.reals(x, 1), w.reals(count, 3)];
    kernels[name](from, to, outer, n, inner);
    return w.readReals(to, count);
  });
}

function runWhere(kernels: ReduceKernels, dtype: "float32" | "float64", name: "argmax" | "argmin", x: readonly number[], [outer, n, inner]: Shape): number[] {
  return inWorkspace(dtype, (w) => {
    const [from, to] = [w.reals(x, 1), w.ints(outer * inner, 1)];
    kernels[name](from, to, outer, n, inner);
    return w.readInts(to, outer * inner);
  });
}

describe.each(implementationsOf(reduce))("reduce on $name", ({ kernels, dtype }) => {
  const u = unitRoundoff(dtype);

  it.each(SHAPES)("agrees with the float64 reference on [%i, %i, %i]", (outer, n, inner) => {
    const shape: Shape = [outer, n, inner];
    const x = noise(outer * n * inner, n + inner);
    // Values are at most 1. A sum goes through at most 64 + 16 float32 additions and one float64 addition per segment.
    const tolerance = u * (n + 100 * Math.sqrt(n));
    for (const name of ["sum", "sumSquares", "cumsum"] as const) expectNear(run(kernels, dtype, name, x, shape), run(exact, "float64", name, x, shape), tolerance, name);
    for (const name of ["max", "min"] as const) expect(run(kernels, dtype, name, x, shape)).toEqual(run(exact, "float64", name, x, shape));
    for (const name of ["argmax", "argmin"] as const) expect(runWhere(kernels, dtype, name, x, shape)).toEqual(runWhere(exact, "float64", name, x, shape));
    const deviations = (implementation: ReduceKernels, precision: "float32" | "float64") => inWorkspace(precision, (w) => {
      const [from, mean, to] = [w.reals(x, 1), w.reals(noise(outer * inner, 9), 2), w.reals(outer * inner, 3)];
      implementation.sumSquaredDeviations(from, mean, to, outer, n, inner);
      return w.readReals(to, outer * inner);
    });
    expectNear(deviations(kernels, dtype), deviations(exact, "float64"), 4 * tolerance, "sumSquaredDeviations");
  });

  it("gives the neutral element over nothing", () => {
    for (const inner of [1, 3]) {
      const shape: Shape = [2, 0, inner];
      expect(new Set(run(kernels, dtype, "sum", [], shape))).toEqual(new Set([0]));
      expect(new Set(run(kernels, dtype, "max", [], shape))).toEqual(new Set([-Infinity]));
      expect(new Set(run(kernels, dtype, "min", [], shape))).toEqual(new Set([Infinity]));
    }
  });

  it("does not let rounding pile up: a million times 0.1", () => {
    const value = Math.fround(0.1);
    const x = new Array<number>(1 << 20).fill(value);
    // A row: 64 + 16 additions in float32, the rest in float64. Columns: blocks of √n, and √n blocks. One by one it would be n.
    for (const [shape, additions] of [[[1, 1 << 20, 1], 80], [[1, 1 << 18, 4], 2 * 512]] as const) {
      const expected = value * shape[1];
      for (const sum of run(kernels, dtype, "sum", x, shape)) expect(Math.abs(sum - expected) / expected).toBeLessThan(additions * unitRoundoff("float32"));
    }
  });

  it("lets NaN through, and points at the first", () => {
    const x = [1, NaN, 3, NaN, 2];
    for (const name of ["sum", "max", "min"] as const) expect(run(kernels, dtype, name, x, [1, 5, 1])).toEqual([NaN]);
    for (const name of ["argmax", "argmin"] as const) expect(runWhere(kernels, dtype, name, x, [1, 5, 1])).toEqual([1]);
    expect(run(kernels, dtype, "max", [1, 2, NaN, 4], [1, 2, 2])).toEqual([NaN, 4]);
  });

  it("gives ties to the lowest index", () => {
    expect(runWhere(kernels, dtype, "argmax", [1, 3, 3, 2], [1, 4, 1])).toEqual([1]);
    expect(runWhere(kernels, dtype, "argmin", [1, 1, 0, 0], [1, 2, 2])).toEqual([1, 1]);
  });
});
