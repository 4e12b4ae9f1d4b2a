import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { softmax, type SoftmaxKernels } from "./softmax.ts";

const exact = softmax.implementation("reference", "float64");
const LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 130];

type Names = "softmax" | "logSoftmax" | "logSumExp";

function run(
  kernels: SoftmaxKernels,
  dtype: "float32" | "float64",
  name: Names,
  x: readonly number[],
  rows: number,
  misaligned = 1,
): number[] {
  return inWorkspace(dtype, (w) => {
    const count = name === "logSumExp" ? rows : x.length;
    const [from, to] = [w.reals(x, misaligned), w.reals(count, misaligned + 1)];
    kernels[name](from, to, rows, rows === 0 ? 5 : x.length / rows);
    return w.readReals(to, count);
  });
}

function runGrad(
  kernels: SoftmaxKernels,
  dtype: "float32" | "float64",
  name: "softmaxGrad" | "logSoftmaxGrad",
  y: readonly number[],
  g: readonly number[],
  rows: number,
): number[] {
  return inWorkspace(dtype, (w) => {
    const [from, cotangent, to] = [w.reals(y, 1), w.reals(g, 2), w.reals(y.length, 3)];
    kernels[name](from, cotangent, to, rows, y.length / rows);
    return w.readReals(to, y.length);
  });
}

function runLoss(
  kernels: SoftmaxKernels,
  dtype: "float32" | "float64",
  x: readonly number[],
  target: readonly number[],
  g: readonly number[],
  smoothing: number,
): { loss: number[]; gradient: number[] } {
  return inWorkspace(dtype, (w) => {
    const rows = target.length;
    const n = x.length / rows;
    const [from, labels, cotangent] = [w.reals(x, 1), w.ints(target, 3), w.reals(g, 2)];
    const [loss, out] = [w.reals(rows, 1), w.reals(x.length, 3)];
    kernels.crossEntropy(from, labels, loss, rows, n, smoothing, -100);
    kernels.crossEntropyGrad(from, labels, cotangent, out, rows, n, smoothing, -100);
    return { loss: w.readReals(loss, rows), gradient: w.readReals(out, x.length) };
  });
}

const float32 = (values: number[]) => values.map(Math.fround);

/** Errors come from rounding differences of the size of the inputs (exact here), e^x (2 + |x| ulp of it) and a sum of n terms. */
function expectAll(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => {
    const wanted = expected[i]!;
    if (Number.isFinite(wanted))
      expect(Math.abs(value - wanted), `${i}: ${value} against ${wanted}`).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(wanted)));
    else expect(value, `element ${i}`).toBe(wanted);
  });
}

describe.each(implementationsOf(softmax))("softmax on $name", ({ kernels, dtype }) => {
  const ulp = dtype === "float64" ? 2 ** -52 : 2 ** -23;

  it.each(LENGTHS)("agrees with the float64 reference on rows of %i", (n) => {
    const rows = 3;
    const x = float32(noise(rows * n, n).map((value) => 5 * value));
    const g = float32(noise(rows * n, n + 100));
    for (const name of ["softmax", "logSoftmax", "logSumExp"] as const) {
      expectAll(run(kernels, dtype, name, x, rows), run(exact, "float64", name, x, rows), (8 + n / 8) * ulp);
    }
    for (const [name, grad] of [
      ["softmax", "softmaxGrad"],
      ["logSoftmax", "logSoftmaxGrad"],
    ] as const) {
      const y = float32(run(exact, "float64", name, x, rows));
      expectAll(runGrad(kernels, dtype, grad, y, g, rows), runGrad(exact, "float64", grad, y, g, rows), (8 + n) * ulp);
    }
    const target = [0, -100, n - 1];
    for (const smoothing of [0, 0.125]) {
      const [mine, wanted] = [
        runLoss(kernels, dtype, x, target, g.slice(0, 3), smoothing),
        runLoss(exact, "float64", x, target, g.slice(0, 3), smoothing),
      ];
      expectAll(mine.loss, wanted.loss, (8 + n) * ulp);
      expectAll(mine.gradient, wanted.gradient, (8 + n) * ulp);
      expect(mine.loss[1]).toBe(0);
      expect(mine.gradient.slice(n, 2 * n).every((value) => value === 0)).toBe(true);
    }
  });

  it("takes the maximum out first: rows of 1e30 and of −1e30 give what their differences give", () => {
    const x = float32([1e30, 1e30, -1e30, -1e30, -1e30, -1e30, 3e38, 3e38]);
    expect(run(kernels, dtype, "softmax", x, 4)).toEqual([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    expect(run(kernels, dtype, "softmax", [1000, 0, 0, 0, -1000], 1)).toEqual([1, 0, 0, 0, 0]);
  });

  it("gives a row of −∞ zeros, and logSumExp −∞", () => {
    const x = [-Infinity, -Infinity, -Infinity, 1, -Infinity, 1];
    expect(run(kernels, dtype, "softmax", x, 2)).toEqual([0, 0, 0, 0.5, 0, 0.5]);
    expect(run(kernels, dtype, "logSumExp", x, 2)[0]).toBe(-Infinity);
    expect(run(kernels, dtype, "logSoftmax", x, 2).slice(0, 3)).toEqual([-Infinity, -Infinity, -Infinity]);
    expect(run(kernels, dtype, "logSoftmax", x, 2)[4]).toBe(-Infinity);
  });

  it.each([0, 3, 4, 6])("lets a NaN at %i make its row NaN, and no other", (at) => {
    const x = [...noise(7, 1), ...noise(7, 2)];
    x[at] = NaN;
    for (const name of ["softmax", "logSoftmax"] as const) {
      const y = run(kernels, dtype, name, x, 2);
      expect(y.slice(0, 7).every(Number.isNaN)).toBe(true);
      expect(y.slice(7).every(Number.isFinite)).toBe(true);
    }
    expect(run(kernels, dtype, "logSumExp", x, 2).map(Number.isNaN)).toEqual([true, false]);
    expect(run(kernels, dtype, "softmax", [Infinity, 1, 2], 1).every(Number.isNaN)).toBe(true);
  });

  it("gives a row of −∞ an infinite loss with gradient 0, and zero probability costs an infinity only if it is wanted", () => {
    const [open, shut] = [
      [0, -Infinity, 0],
      [-Infinity, -Infinity, -Infinity],
    ];
    const { loss, gradient } = runLoss(kernels, dtype, [...shut, ...open, ...open], [0, 0, 1], [1, 1, 1], 0);
    expect([loss[0], loss[2]]).toEqual([Infinity, Infinity]);
    expect(loss[1]).toBeCloseTo(Math.LN2, 6);
    expect(gradient.map((value) => value + 0)).toEqual([0, 0, 0, -0.5, 0, 0.5, 0.5, -1, 0.5]);
    expect(runLoss(kernels, dtype, open, [0], [1], 0.25).loss).toEqual([Infinity]);
  });

  it("keeps its digits over a row of a hundred thousand", () => {
    const x = float32(noise(100_003, 4).map((value) => 0.01 * value));
    // Float32 sums run over 128 terms in a lane; the rest is rounding of e^x, 2 ulp, and of the result.
    const y = run(kernels, dtype, "logSumExp", x, 1);
    expectAll(y, run(exact, "float64", "logSumExp", x, 1), dtype === "float64" ? 1e-13 : 2 ** -24 * 12);
    const total = run(kernels, dtype, "softmax", x, 1).reduce((sum, value) => sum + value, 0);
    expect(Math.abs(total - 1)).toBeLessThan(dtype === "float64" ? 1e-12 : 2 ** -24 * 130);
  });

  it("is a distribution in the order of its logits, and a shift of them changes nothing", () => {
    const logits = fc.array(
      fc.integer({ min: -4000, max: 4000 }).map((value) => value / 64),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(logits, fc.integer({ min: -1000, max: 1000 }), (x, shift) => {
        const y = run(kernels, dtype, "softmax", x, 1);
        expect(
          run(
            kernels,
            dtype,
            "softmax",
            x.map((value) => value + shift),
            1,
          ),
        ).toEqual(y); // the sums are exact
        expect(Math.abs(y.reduce((sum, value) => sum + value, 0) - 1)).toBeLessThan(2e-6);
        for (let i = 1; i < x.length; i++) expect(x[i - 1]! >= x[i]! ? y[i - 1]! >= y[i]! : y[i - 1]! <= y[i]!).toBe(true);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it("does nothing for no rows and for empty rows", () => {
    expect(run(kernels, dtype, "softmax", [], 0)).toEqual([]);
    expect(run(kernels, dtype, "softmax", [], 1)).toEqual([]);
  });

  it("works in place", () => {
    const x = float32(noise(18, 3));
    const apart = run(kernels, dtype, "softmax", x, 2);
    const inPlace = inWorkspace(dtype, (w) => {
      const at = w.reals(x, 1);
      kernels.softmax(at, at, 2, 9);
      return w.readReals(at, 18);
    });
    expect(inPlace).toEqual(apart);
  });
});
