import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, largest, noise, unitRoundoff } from "../testing/workspace.ts";
import { norm, type NormKernels } from "./norm.ts";

const exact = norm.implementation("reference", "float64");
const EPS = 1e-5;

// The float64 reference is checked against numbers worked out by hand; everything else against the float64 reference.

interface RowCase {
  title: string;
  rows: number;
  n: number;
  weight: boolean;
  bias: boolean;
  /** Added to every x. */
  shift: number;
}
const rowCases: RowCase[] = [
  ...[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 131].map((n) => ({
    title: `n = ${n}`,
    rows: 3,
    n,
    weight: true,
    bias: true,
    shift: 0,
  })),
  ...[true, false].flatMap((weight) =>
    [true, false].map((bias) => ({ title: `weight ${weight}, bias ${bias}`, rows: 2, n: 22, weight, bias, shift: 0.5 })),
  ),
  { title: "a mean of 10,000 deviations", rows: 2, n: 300, weight: true, bias: true, shift: 6000 },
  { title: "many rows", rows: 67, n: 6, weight: true, bias: true, shift: 0 },
  { title: "no rows", rows: 0, n: 6, weight: true, bias: true, shift: 0 },
];

interface RowResults {
  out: number[];
  mean: number[];
  rstd: number[];
  rmsOut: number[];
  rmsRstd: number[];
}

function rowInputs({ rows, n, shift }: RowCase) {
  return {
    x: noise(rows * n, 1).map((value) => Math.fround(value + shift)),
    weight: noise(n, 2),
    bias: noise(n, 3),
    g: noise(rows * n, 4),
  };
}

function forward(kernels: NormKernels, dtype: "float32" | "float64", c: RowCase): RowResults {
  return inWorkspace(dtype, (w) => {
    const { rows, n } = c;
    const input = rowInputs(c);
    const x = w.reals(input.x, 1);
    const weight = c.weight ? w.reals(input.weight, 2) : 0;
    const bias = c.bias ? w.reals(input.bias, 3) : 0;
    const [out, rmsOut] = [w.reals(rows * n, 1), w.reals(rows * n, 3)];
    const [mean, rstd, rmsRstd] = [w.reals(rows, 1), w.reals(rows, 2), w.reals(rows, 3)];
    kernels.layerNorm(x, weight, bias, out, mean, rstd, rows, n, EPS);
    kernels.rmsNorm(x, weight, rmsOut, rmsRstd, rows, n, EPS);
    return {
      out: w.readReals(out, rows * n),
      mean: w.readReals(mean, rows),
      rstd: w.readReals(rstd, rows),
      rmsOut: w.readReals(rmsOut, rows * n),
      rmsRstd: w.readReals(rmsRstd, rows),
    };
  });
}

/** Every implementation gets the same mean and rstd, those of float64 rounded to float32. */
function backward(kernels: NormKernels, dtype: "float32" | "float64", c: RowCase, given: RowResults) {
  return inWorkspace(dtype, (w) => {
    const { rows, n } = c;
    const input = rowInputs(c);
    const x = w.reals(input.x, 1);
    const g = w.reals(input.g, 3);
    const weight = c.weight ? w.reals(input.weight, 2) : 0;
    const [mean, rstd, rmsRstd] = [given.mean, given.rstd, given.rmsRstd].map((values) => w.reals(values.map(Math.fround), 1));
    const [dx, rmsDx] = [w.reals(rows * n, 1), w.reals(rows * n, 2)];
    const [dweight, dbias, rmsDweight] = [w.reals(n, 1), w.reals(n, 2), w.reals(n, 3)];
    kernels.layerNormGrad(x, weight, mean, rstd, g, dx, dweight, dbias, rows, n);
    kernels.rmsNormGrad(x, weight, rmsRstd, g, rmsDx, rmsDweight, rows, n);
    return {
      dx: w.readReals(dx, rows * n),
      dweight: w.readReals(dweight, n),
      dbias: w.readReals(dbias, n),
      rmsDx: w.readReals(rmsDx, rows * n),
      rmsDweight: w.readReals(rmsDweight, n),
    };
  });
}

describe("norm, reference, float64", () => {
  it("normalises 1, 2, 3, 6 as done by hand", () => {
    inWorkspace("float64", (w) => {
      const x = w.reals([1, 2, 3, 6]);
      const [weight, bias] = [w.reals([1, 2, 1, 1]), w.reals([0, 0, 10, 0])];
      const [out, mean, rstd] = [w.reals(4), w.reals(1), w.reals(1)];
      exact.layerNorm(x, weight, bias, out, mean, rstd, 1, 4, 0.5); // mean 3, variance 3.5, + 0.5 = 4
      expectNear(w.readReals(out, 4), [-1, -1, 10, 1.5], 1e-15);
      expect(w.readReals(mean, 1)).toEqual([3]);
      expect(w.readReals(rstd, 1)).toEqual([0.5]);
      exact.rmsNorm(x, weight, out, rstd, 1, 4, 3.5); // mean square 12.5, + 3.5 = 16
      expectNear(w.readReals(out, 4), [0.25, 1, 0.75, 1.5], 1e-15);
      exact.channelMoments(x, mean, rstd, 1, 1, 4, 4);
      expect([...w.readReals(mean, 1), ...w.readReals(rstd, 1)]).toEqual([3, 3.5]);
    });
  });

  it("has the gradients of its central differences", () => {
    const c: RowCase = { title: "", rows: 2, n: 5, weight: true, bias: true, shift: 0.3 };
    const input = rowInputs(c);
    const [rows, n] = [2, 5];
    const loss = (x: number[], weight: number[], which: "layerNorm" | "rmsNorm" | "batchNorm") =>
      inWorkspace("float64", (w) => {
        const [px, pw, out, moments] = [w.reals(x), w.reals(weight), w.reals(rows * n), w.reals(2 * n)];
        if (which === "layerNorm") exact.layerNorm(px, pw, 0, out, 0, 0, rows, n, EPS);
        else if (which === "rmsNorm") exact.rmsNorm(px, pw, out, 0, rows, n, EPS);
        else {
          exact.channelMoments(px, moments, moments + 8 * n, rows, n, 1, n);
          const [mean, variance] = [w.readReals(moments, n), w.readReals(moments + 8 * n, n)];
          const scale = variance.map((value, i) => weight[i] / Math.sqrt(value + EPS));
          exact.channelAffine(px, w.reals(scale), w.reals(scale.map((value, i) => -value * mean[i])), out, rows, n, 1, n);
        }
        return w.readReals(out, rows * n).reduce((sum, y, i) => sum + y * input.g[i], 0);
      });
    const difference = (values: number[], at: (changed: number[]) => number) =>
      values.map((_, i) => {
        const h = 1e-4;
        const moved = (step: number) => at(values.map((value, j) => (i === j ? value + step : value)));
        return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
      });
    inWorkspace("float64", (w) => {
      const [x, weight, g] = [w.reals(input.x), w.reals(input.weight), w.reals(input.g)];
      const [dx, dweight, dbias, mean, rstd, out] = [w.reals(10), w.reals(5), w.reals(5), w.reals(5), w.reals(5), w.reals(10)];
      const check = (which: "layerNorm" | "rmsNorm" | "batchNorm") => {
        // These differences err by h⁴ / 30 times a fifth derivative, of order rstd⁵ < 10⁶ here, and by ε / h.
        expectNear(
          w.readReals(dx, 10),
          difference(input.x, (changed) => loss(changed, input.weight, which)),
          1e-9,
        );
        expectNear(
          w.readReals(dweight, 5),
          difference(input.weight, (changed) => loss(input.x, changed, which)),
          1e-9,
        );
      };
      exact.layerNorm(x, weight, 0, out, mean, rstd, rows, n, EPS);
      exact.layerNormGrad(x, weight, mean, rstd, g, dx, dweight, dbias, rows, n);
      check("layerNorm");
      expectNear(
        w.readReals(dbias, 5),
        input.g.slice(0, 5).map((value, i) => value + input.g[5 + i]),
        1e-15,
      );
      exact.rmsNorm(x, weight, out, rstd, rows, n, EPS);
      exact.rmsNormGrad(x, weight, rstd, g, dx, dweight, rows, n);
      check("rmsNorm");
      exact.channelMoments(x, mean, rstd, rows, n, 1, n);
      const inverse = w.reals(w.readReals(rstd, n).map((variance) => 1 / Math.sqrt(variance + EPS)));
      exact.batchNormGrad(x, g, mean, inverse, weight, dx, dweight, dbias, rows, n, 1, n);
      check("batchNorm");
    });
  });
});

describe.each(implementationsOf(norm).slice(1))("norm, $name", ({ kernels, dtype }) => {
  const u = unitRoundoff(dtype);

  it.each(rowCases)("layerNorm and rmsNorm agree with float64: $title", (c) => {
    const expected = forward(exact, "float64", c);
    const actual = forward(kernels, dtype, c);
    const input = rowInputs(c);
    const [M, W, b] = [largest(input.x), c.weight ? largest(input.weight) : 1, c.bias ? largest(input.bias) : 0];
    // Sums in chains of n / 16 terms and 12 roundings more; each difference to the mean carries 2 roundings of it.
    const steps = c.n / 16 + 16;
    expectNear(actual.mean, expected.mean, 2 * u * M, "mean");
    const relative = (factor: number) => steps * u * factor + 2 * (4 * u * M * factor) ** 2;
    expectNear(
      actual.rstd,
      expected.rstd,
      expected.rstd.map((rstd) => rstd * relative(rstd)),
      "rstd",
    );
    const R = largest(expected.rstd);
    const X = Math.sqrt(c.n); // no normalised value is larger
    expectNear(actual.out, expected.out, W * (4 * u * M * R + X * (steps * u + relative(R))) + 2 * u * b, "out");
    expectNear(
      actual.rmsRstd,
      expected.rmsRstd,
      expected.rmsRstd.map((rstd) => rstd * steps * u),
      "rms rstd",
    );
    expectNear(actual.rmsOut, expected.rmsOut, W * X * steps * u, "rms out");
  });

  it.each(rowCases)("their gradients agree with float64: $title", (c) => {
    const given = forward(exact, "float64", c);
    const expected = backward(exact, "float64", c, given);
    const actual = backward(kernels, dtype, c, given);
    const input = rowInputs(c);
    const [M, W, G, R] = [largest(input.x), c.weight ? largest(input.weight) : 1, largest(input.g), largest(given.rstd)];
    const steps = c.n / 16 + 16;
    const X = Math.sqrt(c.n);
    const normalError = X + 2 * M * R; // of a normalised value, in units of u
    const bound = (r: number) => r * W * G * u * steps * (1 + X) * (1 + normalError);
    expectNear(actual.dx, expected.dx, bound(R), "dx");
    expectNear(actual.rmsDx, expected.rmsDx, bound(largest(given.rmsRstd)), "rms dx");
    const parameterBound = u * G * c.rows * (c.rows * X + normalError);
    expectNear(actual.dweight, expected.dweight, parameterBound, "dweight");
    expectNear(actual.rmsDweight, expected.rmsDweight, parameterBound, "rms dweight");
    expectNear(actual.dbias, expected.dbias, u * G * c.rows ** 2, "dbias");
  });

  it.each(rowCases)("addLayerNorm and its gradient are the two steps that they join, to the bit: $title", (c) => {
    const { rows, n } = c;
    const input = rowInputs(c);
    inWorkspace(dtype, (w) => {
      const [x, y] = [w.reals(input.x, 1), w.reals(noise(rows * n, 9), 2)];
      const sums = dtype === "float64" ? (value: number) => value : Math.fround;
      const sum = w.reals(w.readReals(x, rows * n).map((value, i) => sums(value + w.readReals(y, rows * n)[i])));
      const [weight, bias] = [c.weight ? w.reals(input.weight, 2) : 0, c.bias ? w.reals(input.bias, 3) : 0];
      const results = () => ({ out: w.reals(rows * n, 1), mean: w.reals(rows, 1), rstd: w.reals(rows, 2) });
      const [one, other, total] = [results(), results(), w.reals(rows * n, 3)];
      kernels.layerNorm(sum, weight, bias, one.out, one.mean, one.rstd, rows, n, EPS);
      kernels.addLayerNorm(x, y, total, weight, bias, other.out, other.mean, other.rstd, rows, n, EPS);
      expect(w.readReals(total, rows * n)).toEqual(w.readReals(sum, rows * n));
      expect(w.readReals(other.out, rows * n)).toEqual(w.readReals(one.out, rows * n));
      expect([...w.readReals(other.mean, rows), ...w.readReals(other.rstd, rows)]).toEqual([
        ...w.readReals(one.mean, rows),
        ...w.readReals(one.rstd, rows),
      ]);

      const [g, more] = [w.reals(input.g, 3), w.reals(noise(rows * n, 10), 1)];
      const gradients = () => [w.reals(rows * n, 2), w.reals(n, 1), w.reals(n, 2)] as const;
      const [plain, joined] = [gradients(), gradients()];
      kernels.layerNormGrad(sum, weight, one.mean, one.rstd, g, ...plain, rows, n);
      kernels.addLayerNormGrad(sum, weight, one.mean, one.rstd, g, more, ...joined, rows, n);
      const besides = w.readReals(more, rows * n);
      expect(w.readReals(joined[0], rows * n)).toEqual(w.readReals(plain[0], rows * n).map((value, i) => sums(value + besides[i])));
      for (const i of [1, 2] as const) expect(w.readReals(joined[i], n)).toEqual(w.readReals(plain[i], n));
    });
  });

  it("writes only what is asked for, in place if asked", () => {
    const c: RowCase = { title: "", rows: 3, n: 9, weight: true, bias: true, shift: 0 };
    const input = rowInputs(c);
    const whole = forward(kernels, dtype, c);
    const gradients = backward(kernels, dtype, c, whole);
    inWorkspace(dtype, (w) => {
      const [x, weight, bias] = [w.reals(input.x), w.reals(input.weight), w.reals(input.bias)];
      kernels.layerNorm(x, weight, bias, x, 0, 0, 3, 9, EPS);
      expect(w.readReals(x, 27)).toEqual(whole.out);
      const again = w.reals(input.x);
      kernels.rmsNorm(again, weight, again, 0, 3, 9, EPS);
      expect(w.readReals(again, 27)).toEqual(whole.rmsOut);

      const [mean, rstd, g] = [w.reals(whole.mean), w.reals(whole.rstd), w.reals(input.g)];
      const fresh = w.reals(input.x);
      const [dweight, dbias] = [w.reals(9), w.reals(9)];
      kernels.layerNormGrad(fresh, weight, mean, rstd, g, 0, dweight, 0, 3, 9);
      kernels.layerNormGrad(fresh, weight, mean, rstd, g, 0, 0, dbias, 3, 9);
      kernels.layerNormGrad(fresh, weight, mean, rstd, g, g, 0, 0, 3, 9);
      expect(w.readReals(dweight, 9)).toEqual(gradients.dweight);
      expect(w.readReals(dbias, 9)).toEqual(gradients.dbias);
      expect(w.readReals(g, 27)).toEqual(gradients.dx);
    });
  });

  it("gives the bias where a row is constant, and NaN in just the row that holds one", () => {
    inWorkspace(dtype, (w) => {
      const n = 19;
      const constant = Array<number>(n).fill(Math.fround(0.1));
      const bias = noise(n, 8);
      const x = w.reals([...constant, ...constant.map((value, i) => (i === 17 ? NaN : value)), ...constant]);
      const [biases, out, mean, rstd] = [w.reals(bias), w.reals(3 * n), w.reals(3), w.reals(3)];
      kernels.layerNorm(x, 0, biases, out, mean, rstd, 3, n, EPS);
      const rows = [0, 1, 2].map((row) => w.readReals(out, 3 * n).slice(row * n, (row + 1) * n));
      // The mean is off by at most one rounding, which 1 / √ε magnifies.
      expectNear(rows[0], bias, u * 0.2 * Math.sqrt(1 / EPS) + 2 * u);
      expect(rows[1].every(Number.isNaN)).toBe(true);
      expect(rows[2]).toEqual(rows[0]);
    });
  });

  const channelCases = [
    ...[1, 3, 4, 5, 16, 17, 35].map((inner) => ({ title: `inner = ${inner}`, B: 3, C: 5, inner, weight: true, shift: 0 })),
    { title: "no weight", B: 2, C: 3, inner: 6, weight: false, shift: 0.5 },
    { title: "a mean of 10,000 deviations", B: 7, C: 2, inner: 33, weight: true, shift: 6000 },
    { title: "no images", B: 0, C: 3, inner: 4, weight: true, shift: 0 },
  ];

  it.each(channelCases)("channels agree with float64: $title", ({ B, C, inner, weight, shift }) => {
    const size = B * C * inner;
    const N = B * inner;
    const x = noise(size, 1).map((value) => Math.fround(value + shift));
    const g = noise(size, 2);
    const scale = noise(C, 3);
    /** In pieces of so many channels. */
    const run = (
      which: NormKernels,
      precision: "float32" | "float64",
      given?: { mean: number[]; rstd: number[] },
      together = Math.max(C, 1),
    ) =>
      inWorkspace(precision, (w) => {
        const [px, pg, scales, shifts] = [w.reals(x, 1), w.reals(g, 2), w.reals(scale, 3), w.reals(noise(C, 4), 1)];
        const [mean, variance, out] = [w.reals(C, 1), w.reals(C, 2), w.reals(size, 3)];
        const bytes = precision === "float64" ? 8 : 4;
        const stride = C * inner;
        const pieces = Array.from({ length: Math.ceil(C / together) }, (_, i) => {
          const first = i * together * bytes;
          return { first, at: first * inner, count: Math.min(together, C - i * together) };
        });
        for (const { first, at, count } of pieces) {
          which.channelMoments(px + at, mean + first, variance + first, B, count, inner, stride);
          which.channelAffine(px + at, scales + first, shifts + first, out + at, B, count, inner, stride);
        }
        const moments = { mean: w.readReals(mean, C), variance: w.readReals(variance, C), out: w.readReals(out, size) };
        const saved = given ?? {
          mean: moments.mean.map(Math.fround),
          rstd: moments.variance.map((value) => Math.fround(1 / Math.sqrt(value + EPS))),
        };
        const [dx, dweight, dbias] = [w.reals(size, 1), w.reals(C, 2), w.reals(C, 3)];
        const [atMean, atRstd] = [w.reals(saved.mean), w.reals(saved.rstd)];
        for (const { first, at, count } of pieces) {
          const [ofMean, ofRstd, ofWeight] = [atMean + first, atRstd + first, weight ? scales + first : 0];
          const to = [dx + at, dweight + first, dbias + first] as const;
          which.batchNormGrad(px + at, pg + at, ofMean, ofRstd, ofWeight, ...to, B, count, inner, stride);
        }
        return { ...moments, saved, dx: w.readReals(dx, size), dweight: w.readReals(dweight, C), dbias: w.readReals(dbias, C) };
      });
    const expected = run(exact, "float64");
    const actual = run(kernels, dtype, expected.saved);
    expect(run(kernels, dtype, expected.saved, 2), "two channels at a time").toEqual(actual);
    const [M, W, G, R, X] = [largest(x), weight ? largest(scale) : 1, largest(g), largest(expected.saved.rstd), Math.sqrt(N)];
    const steps = inner / 16 + 16;
    expectNear(actual.mean, expected.mean, 2 * u * M, "mean");
    expectNear(
      actual.variance,
      expected.variance,
      expected.variance.map((value) => steps * u * value + 2 * (2 * u * M) ** 2),
      "variance",
    );
    expectNear(actual.out, expected.out, 2 * u * (largest(scale) * M + 1), "out");
    const normalError = X + 2 * M * R;
    expectNear(actual.dbias, expected.dbias, u * steps * N * G, "dbias");
    expectNear(actual.dweight, expected.dweight, u * N * G * (steps * X + normalError), "dweight");
    expectNear(actual.dx, expected.dx, R * W * G * u * steps * (1 + X) * (1 + normalError), "dx");
  });
});
