import { describe, expect, it } from "vitest";
import { groups, run, shapes, sizeOf } from "../../test/reductions.ts";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { reduce } from "./reduce.ts";

const half = { float32: 2 ** -24, float64: 2 ** -53 };

/** The sum without any error, as a double: float32 numbers of moderate size are whole multiples of 2^-149. */
function exactSum(values: readonly number[]): number {
  const unit = 2 ** -200;
  let sum = 0n;
  for (const value of values) sum += BigInt(value / unit);
  return Number(sum) * unit;
}

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
