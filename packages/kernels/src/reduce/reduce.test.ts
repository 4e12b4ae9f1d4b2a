import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { reduce } from "./reduce.ts";
import type { ReduceKernels } from "./reduce.ts";

type DType = "float32" | "float64";
type Simple = Exclude<keyof ReduceKernels, "sumSquaredDeviations">;
interface Shape {
  outer: number;
  n: number;
  inner: number;
}

const half = { float32: 2 ** -24, float64: 2 ** -53 };

function run(
  kernels: ReduceKernels,
  dtype: DType,
  name: Simple,
  x: ArrayLike<number>,
  { outer, n, inner }: Shape,
  misaligned = 1,
): number[] {
  return inWorkspace(dtype, (w) => {
    const count = name === "cumsum" ? x.length : outer * inner;
    const isIndex = name.startsWith("arg");
    const [from, to] = [w.reals(x, misaligned), isIndex ? w.ints(count, misaligned + 1) : w.reals(count, misaligned + 2)];
    kernels[name](from, to, outer, n, inner);
    return isIndex ? w.readInts(to, count) : w.readReals(to, count);
  });
}

/** The elements of each group, in order of `out`. */
function groups(x: ArrayLike<number>, { outer, n, inner }: Shape): number[][] {
  return Array.from({ length: outer * inner }, (_, g) => {
    const [o, j] = [Math.floor(g / inner), g % inner];
    return Array.from({ length: n }, (_, i) => x[(o * n + i) * inner + j]!);
  });
}

/** The sum without any error, as a double: float32 numbers of moderate size are whole multiples of 2^-149. */
function exactSum(values: readonly number[]): number {
  const unit = 2 ** -200;
  let sum = 0n;
  for (const value of values) sum += BigInt(value / unit);
  return Number(sum) * unit;
}

const shapes: Shape[] = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100].map((n) => ({ outer: 3, n, inner: 1 })),
  ...[2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 20, 21, 31, 32, 33, 40].flatMap((inner) => [
    { outer: 2, n: 5, inner },
    { outer: 1, n: 1, inner },
  ]),
  { outer: 0, n: 4, inner: 3 },
  { outer: 3, n: 4, inner: 0 },
];
const sizeOf = ({ outer, n, inner }: Shape) => outer * n * inner;

describe.each(implementationsOf(reduce))("$name", ({ dtype, kernels }) => {
  it("sum and sumSquares are the exact sums, rounded once, in every shape", () => {
    for (const shape of shapes) {
      const x = noise(sizeOf(shape), 5)
        .map((value) => 3 * value)
        .map(Math.fround);
      for (const [name, term] of [
        ["sum", (v: number) => v],
        ["sumSquares", (v: number) => v * v],
      ] as const) {
        const y = run(kernels, dtype, name, x, shape);
        groups(x, shape).forEach((values, g) => {
          const exact = exactSum(values.map(term));
          const size = values.reduce((sum, v) => sum + Math.abs(term(v)), 0);
          // Half an ulp of the result, and what doubles may lose.
          expect(Math.abs(y[g]! - exact), `${name} of ${JSON.stringify(shape)}`).toBeLessThanOrEqual(
            half[dtype] * Math.abs(exact) + shape.n * 2 ** -53 * size,
          );
        });
      }
    }
  });

  it("sum of a long row keeps the digits that a running float32 sum loses", () => {
    const n = 100_003;
    const x = noise(n, 7).map((value) => Math.fround(value + 1000));
    const exact = exactSum(x);
    for (const shape of [
      { outer: 1, n, inner: 1 },
      { outer: 1, n: (n / 11) | 0, inner: 11 },
    ]) {
      const y = run(kernels, dtype, "sum", x.slice(0, sizeOf(shape)), shape);
      if (shape.inner === 1) expect(Math.abs(y[0]! - exact)).toBeLessThanOrEqual((half[dtype] + n * 2 ** -53) * exact);
      else
        groups(x, shape).forEach((values, g) =>
          expect(Math.abs(y[g]! - exactSum(values))).toBeLessThanOrEqual((half[dtype] + n * 2 ** -53) * exactSum(values)),
        );
    }
  });

  it("sum takes cancelling terms of very different size, infinities and NaN", () => {
    const sum = (x: number[]) => run(kernels, dtype, "sum", x, { outer: 1, n: x.length, inner: 1 })[0];
    expect(sum([1e8, 1, -1e8, 1, 1e8, 0.5, -1e8, 0, 0.25])).toBe(2.75);
    expect([sum([1, Infinity, 2]), sum([Infinity, -Infinity]), sum([1, NaN, 2]), sum([])]).toEqual([Infinity, NaN, NaN, 0]);
    expect(sum([3e38, 3e38, -3e38])).toBe(dtype === "float32" ? Math.fround(3e38) : 3e38);
  });

  it("sumSquaredDeviations is that of the true mean, though the mean given is rounded and far away", () => {
    for (const shape of shapes.filter(({ n }) => n > 0)) {
      for (const offset of [0, 1000, 1e6]) {
        const x = noise(sizeOf(shape), 9).map((value) => Math.fround(value + offset));
        const parts = groups(x, shape);
        const means = parts.map((values) =>
          dtype === "float32" ? Math.fround(exactSum(values) / values.length) : exactSum(values) / values.length,
        );
        const y = inWorkspace(dtype, (w) => {
          const [from, mean, out] = [w.reals(x, 1), w.reals(means, 3), w.reals(parts.length, 2)];
          kernels.sumSquaredDeviations(from, mean, out, shape.outer, shape.n, shape.inner);
          return w.readReals(out, parts.length);
        });
        parts.forEach((values, g) => {
          const mean = exactSum(values) / values.length;
          const exact = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
          // The rounded mean is off by δ ≤ ε·|mean|; what the correction leaves of n δ² is an ε of doubles.
          const slack = values.length * (2 ** -50 * (1 + exact) + 2 ** -50 * (offset * half[dtype]) ** 2 + 4 * offset * 2 ** -53);
          expect(Math.abs(y[g]! - exact)).toBeLessThanOrEqual(half[dtype] * exact + slack);
        });
      }
    }
  });

  it("max and min take every element, in every shape; NaN wins", () => {
    for (const shape of shapes) {
      const x = noise(sizeOf(shape), 11);
      for (const [name, fold, none] of [
        ["max", Math.max, -Infinity],
        ["min", Math.min, Infinity],
      ] as const) {
        expect(run(kernels, dtype, name, x, shape)).toEqual(groups(x, shape).map((values) => (values.length > 0 ? fold(...values) : none)));
        for (let at = 0; at < Math.min(x.length, 40); at++) {
          const poisoned = x.map((value, i) => (i === at ? NaN : value));
          expect(run(kernels, dtype, name, poisoned, shape)).toEqual(groups(poisoned, shape).map((values) => fold(...values)));
        }
      }
    }
  });

  it("argmax and argmin give the lowest index of ties, and of NaN", () => {
    for (const shape of shapes) {
      const ties = noise(sizeOf(shape), 13).map((value) => Math.round(value * 3));
      for (const x of [ties, ties.map((value, i) => (i % 7 === 5 ? NaN : value)), ties.map(() => -Infinity), ties.map(() => Infinity)]) {
        for (const [name, fold] of [
          ["argmax", Math.max],
          ["argmin", Math.min],
        ] as const) {
          const expected = groups(x, shape).map((values) => {
            const nan = values.findIndex(Number.isNaN);
            return nan >= 0 ? nan : Math.max(values.indexOf(fold(...values)), 0);
          });
          expect(run(kernels, dtype, name, x, shape)).toEqual(expected);
        }
      }
    }
  });

  it("an index is where its extremum is", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 70 }), fc.integer({ min: 1, max: 6 }), (list, inner) => {
        const n = Math.max(Math.floor(list.length / inner), 1);
        const shape = { outer: 1, n, inner: Math.min(inner, list.length) };
        const x = list.slice(0, sizeOf(shape));
        for (const [arg, name] of [
          ["argmax", "max"],
          ["argmin", "min"],
        ] as const) {
          const [indices, values] = [run(kernels, dtype, arg, x, shape), run(kernels, dtype, name, x, shape)];
          expect(groups(x, shape).map((group, g) => group[indices[g]!]! + 0)).toEqual(values.map((value) => value + 0));
        }
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it("cumsum runs along the axis, and may be in place", () => {
    for (const shape of shapes) {
      const x = noise(sizeOf(shape), 17);
      const expected = new Array<number>(x.length);
      groups(x, shape).forEach((values, g) => {
        let sum = 0;
        values.forEach(
          (value, i) => (expected[(Math.floor(g / shape.inner) * shape.n + i) * shape.inner + (g % shape.inner)] = sum += value),
        );
      });
      const rounded = dtype === "float32" ? expected.map(Math.fround) : expected;
      expect(run(kernels, dtype, "cumsum", x, shape)).toEqual(rounded);
      inWorkspace(dtype, (w) => {
        const at = w.reals(x, 1);
        kernels.cumsum(at, at, shape.outer, shape.n, shape.inner);
        expect(w.readReals(at, x.length)).toEqual(rounded);
      });
    }
  });
});
