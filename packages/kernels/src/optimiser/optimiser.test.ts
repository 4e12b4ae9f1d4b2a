import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "../testing/workspace.ts";
import { optimiser, type OptimiserKernels } from "./optimiser.ts";

const exact = optimiser.implementation("reference", "float64");

interface SgdOptions {
  title: string;
  lr: number;
  momentum: number;
  dampening: number;
  nesterov: number;
  weightDecay: number;
  firstStep: number;
  buffer: boolean;
}
const plain: SgdOptions = { title: "plain", lr: 0.1, momentum: 0, dampening: 0, nesterov: 0, weightDecay: 0, firstStep: 0, buffer: false };
const sgdCases: SgdOptions[] = [
  plain,
  { ...plain, title: "weight decay", weightDecay: 0.02 },
  { ...plain, title: "momentum, first step", momentum: 0.9, firstStep: 1, buffer: true },
  { ...plain, title: "momentum, later step", momentum: 0.9, buffer: true },
  { ...plain, title: "dampening and weight decay", momentum: 0.8, dampening: 0.3, weightDecay: 0.02, buffer: true },
  { ...plain, title: "dampening, first step", momentum: 0.8, dampening: 0.3, firstStep: 1, buffer: true },
  { ...plain, title: "nesterov, first step", momentum: 0.9, nesterov: 1, weightDecay: 0.01, firstStep: 1, buffer: true },
  { ...plain, title: "nesterov, later step", momentum: 0.9, nesterov: 1, weightDecay: 0.01, buffer: true },
];

interface AdamOptions {
  title: string;
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  decoupled: number;
  step: number;
  amsgrad: boolean;
}
const adam: AdamOptions = {
  title: "Adam, step 3",
  lr: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  decoupled: 0,
  step: 3,
  amsgrad: false,
};
const adamCases: AdamOptions[] = [
  adam,
  { ...adam, title: "Adam, step 1", step: 1 },
  { ...adam, title: "Adam, step 100,000", step: 100_000 },
  { ...adam, title: "weight decay", weightDecay: 0.1, beta1: 0.8, beta2: 0.95, eps: 1e-6 },
  { ...adam, title: "AMSGrad", amsgrad: true },
  { ...adam, title: "AdamW", weightDecay: 0.05, decoupled: 1 },
  { ...adam, title: "AdamW with AMSGrad", weightDecay: 0.01, decoupled: 1, amsgrad: true },
];
const sizes = [0, 1, 3, 4, 5, 8, 19];

/** What a run starts from. Squares are of the size of the square of the gradient, as in training. */
function state(n: number) {
  const g = noise(n, 2);
  return {
    p: noise(n, 1),
    g,
    buffer: noise(n, 3),
    m: noise(n, 4),
    v: noise(n, 5).map((x) => Math.fround(x * x + 1e-3)),
    vmax: noise(n, 6).map((x) => Math.fround(x * x)),
  };
}

function runSgd(kernels: OptimiserKernels, dtype: "float32" | "float64", n: number, o: SgdOptions) {
  return inWorkspace(dtype, (w) => {
    const s = state(n);
    const [p, g, buffer] = [w.reals(s.p, 1), w.reals(s.g, 2), o.buffer ? w.reals(o.firstStep ? n : s.buffer, 3) : 0];
    kernels.sgd(p, g, buffer, n, o.lr, o.momentum, o.dampening, o.nesterov, o.weightDecay, o.firstStep);
    expect(w.readReals(g, n)).toEqual(s.g);
    return { p: w.readReals(p, n), buffer: buffer ? w.readReals(buffer, n) : [] };
  });
}

function runAdam(kernels: OptimiserKernels, dtype: "float32" | "float64", n: number, o: AdamOptions) {
  return inWorkspace(dtype, (w) => {
    const s = state(n);
    const [p, g, m, v, vmax] = [w.reals(s.p, 1), w.reals(s.g, 2), w.reals(s.m, 3), w.reals(s.v, 1), o.amsgrad ? w.reals(s.vmax, 2) : 0];
    const correction = (beta: number) => 1 - beta ** o.step;
    kernels.adam(p, g, m, v, vmax, n, o.lr, o.beta1, o.beta2, o.eps, o.weightDecay, o.decoupled, correction(o.beta1), correction(o.beta2));
    return { p: w.readReals(p, n), m: w.readReals(m, n), v: w.readReals(v, n), vmax: vmax ? w.readReals(vmax, n) : [] };
  });
}

describe("optimiser, reference, float64", () => {
  it("takes the steps worked out by hand", () => {
    inWorkspace("float64", (w) => {
      const [p, g, buffer, v] = [w.reals([1]), w.reals([2]), w.reals([NaN]), w.reals([0])];
      exact.sgd(p, g, buffer, 1, 0.25, 0.5, 0.5, 0, 1, 1); // g = 3, buffer = 3
      expect([...w.readReals(p, 1), ...w.readReals(buffer, 1)]).toEqual([0.25, 3]);
      exact.sgd(p, g, buffer, 1, 0.25, 0.5, 0.5, 1, 1, 0); // g = 2.25, buffer = 1.5 + 1.125, step 2.25 + 1.3125
      expect([...w.readReals(p, 1), ...w.readReals(buffer, 1)]).toEqual([0.25 - 0.25 * 3.5625, 2.625]);
      const m = w.reals([0]);
      const q = w.reals([1]);
      exact.adam(q, g, m, v, 0, 1, 0.5, 0.5, 0.75, 1, 0.5, 1, 0.5, 0.25); // m = 1, v = 1, corrected 2 and 4: step 0.5 · 2 / 3
      expect([...w.readReals(m, 1), ...w.readReals(v, 1)]).toEqual([1, 1]);
      expectNear(w.readReals(q, 1), [0.75 - 1 / 3], 1e-16);
    });
  });
});

describe.each(implementationsOf(optimiser).slice(1))("optimiser, $name", ({ kernels, dtype }) => {
  const u = unitRoundoff(dtype);

  describe.each(sgdCases)("SGD, $title", (o) => {
    it.each(sizes)("agrees with float64 on %i parameters", (n) => {
      const expected = runSgd(exact, "float64", n, o);
      const actual = runSgd(kernels, dtype, n, o);
      // At most ten roundings, of numbers below 4 in sum.
      expectNear(actual.buffer, expected.buffer, 10 * u * 4, "buffer");
      expectNear(actual.p, expected.p, u + o.lr * 10 * u * 4, "p");
    });
  });

  describe.each(adamCases)("$title", (o) => {
    it.each(sizes)("agrees with float64 on %i parameters", (n) => {
      const expected = runAdam(exact, "float64", n, o);
      const actual = runAdam(kernels, dtype, n, o);
      const { p, g, v } = state(n);
      const gradient = g.map((value, i) => Math.abs(value) + (o.decoupled ? 0 : o.weightDecay * Math.abs(p[i])));
      const mTolerance = gradient.map((size) => 4 * u * (size + 1));
      const vTolerance = gradient.map((size, i) => 8 * u * (v[i] + size ** 2));
      expectNear(actual.m, expected.m, mTolerance, "m");
      expectNear(actual.v, expected.v, vTolerance, "v");
      expectNear(actual.vmax, expected.vmax, vTolerance, "vmax");
      const tolerance = expected.p.map((_, i) => {
        const square = o.amsgrad ? expected.vmax[i] : expected.v[i];
        const root = Math.sqrt(square / (1 - o.beta2 ** o.step)) + o.eps;
        const rate = o.lr / (1 - o.beta1 ** o.step) / root;
        return 3 * u * Math.abs(p[i]) + rate * (mTolerance[i] + Math.abs(expected.m[i]) * (vTolerance[i] / (2 * square) + 8 * u));
      });
      expectNear(actual.p, expected.p, tolerance, "p");
    });
  });

  it("keeps the digits of 1 − beta2", () => {
    inWorkspace(dtype, (w) => {
      const [p, g, m, v] = [w.reals([0, 0, 0, 0]), w.reals([1, 1, 1, 1]), w.reals([0, 0, 0, 0]), w.reals([0, 0, 0, 0])];
      kernels.adam(p, g, m, v, 0, 4, 0.1, 0.9, 0.9999, 0, 0, 0, 0.1, 1e-4);
      expectNear(w.readReals(v, 4), [1e-4, 1e-4, 1e-4, 1e-4], 1e-4 * u); // 1 − fround(0.9999) is off by 5e-8 / 1e-4
    });
  });

  it("carries a NaN of the gradient into that parameter alone", () => {
    inWorkspace(dtype, (w) => {
      const zeros = () => w.reals([0, 0, 0, 0, 0]);
      const [p, m, v, vmax] = [zeros(), zeros(), zeros(), zeros()];
      kernels.adam(p, w.reals([1, NaN, 1, 1, NaN]), m, v, vmax, 5, 0.1, 0.9, 0.999, 1e-8, 0, 0, 0.1, 0.001);
      for (const array of [p, m, v, vmax]) expect(w.readReals(array, 5).map(Number.isNaN)).toEqual([false, true, false, false, true]);
    });
  });
});
