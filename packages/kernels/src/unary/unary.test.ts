import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import type { Workspace } from "../testing/workspace.ts";
import { unary } from "./unary.ts";

type Kernel = (...args: number[]) => void;

interface Accuracy {
  /** Largest error in ulp of the exact value, at x … */
  ulps: number | ((x: number) => number);
  /** … plus this much: tails below 2^-126 that become 0, and sums that cancel. */
  absolute?: number | ((x: number) => number);
  /** Parameters after `n`; float32 numbers. */
  parameters?: number[];
  /** Largest |x| of the sweep. */
  limit?: number;
}

/** e^-|x| below 2^-126 counts as 0, times what multiplies it. */
const TAIL = 2 ** -126;

// Bounds: half an ulp for each rounded step behind the last, one and a bit for exp, log and the like.
const functions: Record<string, Accuracy> = {
  neg: { ulps: 0 },
  abs: { ulps: 0 },
  exp: { ulps: 1.2 },
  log: { ulps: 1.5 },
  log1p: { ulps: 1.5 },
  sqrt: { ulps: 0.5 },
  rsqrt: { ulps: 1.5 },
  reciprocal: { ulps: 0.5 },
  square: { ulps: 0.5 },
  tanh: { ulps: 3 },
  sigmoid: { ulps: 3, absolute: TAIL },
  relu: { ulps: 0 },
  silu: { ulps: 3, absolute: 90 * TAIL },
  erf: { ulps: 2 },
  sin: { ulps: 2, limit: 1e6 },
  cos: { ulps: 2, limit: 1e6 },
  softplus: { ulps: 2, absolute: TAIL },
  // The tail is a polynomial's eighth power: its relative error grows where the tail itself no longer counts.
  geluErf: { ulps: (x) => (x > 0 ? 4 : 8), absolute: (x) => (x < -2 ? 2 ** -25 : 0) },
  // An exponent of seven half-ulps (three roundings, two constants twice) is raised: so many times its size in ulps of the result.
  geluTanh: { ulps: (x) => 3.5 + 3.5 * Math.min(1.6 * Math.abs(x) + 0.0714 * Math.abs(x) ** 3, 90), absolute: 100 * TAIL },
  elu: { ulps: 2, parameters: [1.5] },
  leakyRelu: { ulps: 0.5, parameters: [0.25] },
  clamp: { ulps: 0, parameters: [-1, 2] },
  scale: { ulps: 1, absolute: 2 ** -24 * 0.5, parameters: [3, 0.5] },
  powScalar: { ulps: 0.51, parameters: [1.75] },
};

const gradients: Record<string, Accuracy> = {
  abs: { ulps: 0 },
  exp: { ulps: 1.7 },
  log: { ulps: 0.5 },
  log1p: { ulps: 1.5 },
  sqrt: { ulps: 1.5 },
  rsqrt: { ulps: 2.5 },
  reciprocal: { ulps: 1.5 },
  square: { ulps: 0.5 },
  tanh: { ulps: 5, absolute: 4 * TAIL },
  sigmoid: { ulps: 5, absolute: TAIL },
  relu: { ulps: 0 },
  silu: { ulps: 5, absolute: 2 ** -23 }, // a sum that is 0 at x = -1.28
  erf: { ulps: (x) => 4 + 3 * x * x, absolute: 2 * TAIL },
  sin: { ulps: 2, limit: 1e6 },
  cos: { ulps: 2, limit: 1e6 },
  softplus: { ulps: 3, absolute: TAIL },
  // ½ plus at most 0.63, of which five roundings (the square twice) are each off by 2^-24 of it; and one more of the sum.
  geluErf: { ulps: 3, absolute: 2 ** -22 },
  geluTanh: { ulps: 8, absolute: 2 ** -21 }, // likewise, and factors up to 5
  elu: { ulps: 2, parameters: [1.5] },
  leakyRelu: { ulps: 0.5, parameters: [0.25] },
  clamp: { ulps: 0, parameters: [-1, 2] },
  powScalar: { ulps: 1.6, parameters: [1.75] },
};

const all = [
  ...Object.entries(functions).map(([name, promise]) => ({ name, grad: false, promise })),
  ...Object.entries(gradients).map(([name, promise]) => ({ name: `${name}Grad`, grad: true, promise })),
];
const float64 = unary.implementation("reference", "float64") as unknown as Record<string, Kernel>;

/** Runs a function on lists; x and g may stand anywhere. */
function run(
  kernels: object,
  w: Workspace,
  { name, grad, promise }: (typeof all)[number],
  x: ArrayLike<number>,
  g: ArrayLike<number>,
  parameters = promise.parameters ?? [],
): number[] {
  const [from, cotangent, out] = [w.reals(x, 1), w.reals(g, 2), w.reals(x.length, 3)];
  (kernels as Record<string, Kernel>)[name]!(from, ...(grad ? [cotangent] : []), out, x.length, ...parameters);
  return w.readReals(out, x.length);
}

/** The value in doubles. */
const exact = (test: (typeof all)[number], x: ArrayLike<number>, g: ArrayLike<number>, parameters?: number[]) =>
  inWorkspace("float64", (w) => run(float64, w, test, x, g, parameters));

const remembered = new Map<string, number[]>();
function exactOnce(test: (typeof all)[number], x: ArrayLike<number>, g: ArrayLike<number>): number[] {
  const key = `${test.name} ${x.length}`;
  if (!remembered.has(key)) remembered.set(key, exact(test, x, g));
  return remembered.get(key)!;
}

/** The distance between two neighbouring float32 numbers at v. */
const ulp = (v: number) => 2 ** Math.max(Math.floor(Math.log2(Math.abs(v))) - 23, -149);

/** Errors beyond the promise, worst first. */
function expectWithin(
  y: readonly number[],
  truth: readonly number[],
  x: ArrayLike<number>,
  { ulps, absolute = 0 }: Accuracy,
  scale = 1,
  more = 0,
): void {
  let worst = { excess: 0, what: "" };
  for (let i = 0; i < y.length; i++) {
    const [got, want] = [y[i]!, truth[i]!];
    if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) continue;
    // Beyond the greatest float32 there is no ulp: then ∞ and the greatest number are both half a step away.
    const rounded = Math.fround(want);
    if (got === rounded) continue;
    const allowed = (typeof ulps === "number" ? ulps : ulps(x[i]!)) + more;
    const excess = Math.abs(got - want) / (allowed * ulp(want) + (typeof absolute === "number" ? absolute : absolute(x[i]!)) * scale);
    if (!(excess <= 1) && !(excess <= worst.excess)) worst = { excess, what: `f(${x[i]}) = ${got}, not ${want}` };
  }
  expect(worst, worst.what).toEqual({ excess: 0, what: "" });
}

/** One of every 32768 float32 bit patterns, with varying low bits: the whole range, subnormals and NaNs included. */
const patterns = everyPattern();
function everyPattern(): Float32Array {
  const count = 2 ** 17;
  const values = new Float32Array(count);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < count; i++) bits[i] = Math.imul(i, 32768) + (Math.imul(i, 0x9e3779b1) >>> 17);
  return values;
}

/** Where most arguments are. */
const common = Float32Array.from(noise(2 ** 16, 3), (value, i) => value * (i & 1 ? 12 : 2));
const special = [
  0,
  -0,
  1,
  -1,
  Infinity,
  -Infinity,
  NaN,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  3.4e38,
  -3.4e38,
  87.5,
  88.5,
  89,
  -87,
  -88.5,
  -103,
  -104,
  0.5,
  2,
  -2,
];

describe.each(implementationsOf(unary))("$name", ({ name: implementation, dtype, kernels }) => {
  const precision = dtype === "float64" ? { ulps: 0.5 } : undefined;

  // The reference in doubles is what the others are measured by; in float32 it rounds the same once.
  it.each(implementation.startsWith("reference") ? [] : all)("$name: within the promised ulps over the whole range", (test) => {
    for (const x of [test.promise.limit === undefined ? patterns : patterns.filter((value) => Math.abs(value) < 1e6), common]) {
      const g = new Float32Array(x.length).fill(1);
      const y = inWorkspace("float32", (w) => run(kernels, w, test, x, g));
      expectWithin(y, exactOnce(test, x, g), x, test.promise);
    }
  });

  it.each(all)("$name: special values by name, and any cotangent", (test) => {
    const g = special.map((_, i) => [1, -2.5, 3][i % 3]!);
    const y = inWorkspace(dtype, (w) => run(kernels, w, test, special, g));
    // Where a phase of 1e38 is asked for, only the range of the result is promised.
    const truth = exact(test, special, g).map((value, i) =>
      Math.abs(special[i]!) > (test.promise.limit ?? Infinity) && Math.abs(y[i]!) <= 3 ? y[i]! : value,
    );
    expectWithin(y, truth, special, precision ?? test.promise, 3, 2);
    const nan = special.map((x, i) => (Number.isNaN(x) ? y[i]! : NaN));
    expect(nan.every(Number.isNaN), "NaN gives NaN").toBe(true);
  });

  it.each(all)("$name: lengths around the multiples of 4 and 16, unaligned, and in place", (test) => {
    for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33]) {
      const x = noise(n, n).map((value) => Math.abs(value) + 0.25);
      const g = noise(n, n + 1);
      const once = inWorkspace(dtype, (w) => run(kernels, w, test, x, g));
      const alone = x.map((value, i) => inWorkspace(dtype, (w) => run(kernels, w, test, [value], [g[i]!]))[0]);
      expect(once, "an element's value does not depend on its place").toEqual(alone);
      inWorkspace(dtype, (w) => {
        const [from, cotangent] = [w.reals(x, 3), w.reals(g, 1)];
        const kernel = (kernels as unknown as Record<string, Kernel>)[test.name]!;
        if (test.grad) kernel(from, cotangent, cotangent, n, ...(test.promise.parameters ?? []));
        else kernel(from, from, n, ...(test.promise.parameters ?? []));
        expect(w.readReals(test.grad ? cotangent : from, n)).toEqual(once);
      });
    }
  });

  it("exp underflows gradually, to zero, and overflows to infinity", () => {
    const exp = all.find(({ name }) => name === "exp")!;
    const [subnormal, zero, infinite] = inWorkspace(dtype, (w) => run(kernels, w, exp, [-100, -800, 800], []));
    expect(Math.fround(subnormal!)).toBe(Math.fround(Math.exp(-100)));
    expect([zero, infinite]).toEqual([0, Infinity]);
  });

  it("log, rsqrt and reciprocal have their poles", () => {
    const at = (name: string, x: number) =>
      inWorkspace(dtype, (w) =>
        run(
          kernels,
          w,
          all.find((test) => test.name === name)!,
          [x],
          [],
        ),
      )[0];
    expect([at("log", 0), at("log", -1), at("log1p", -1), at("log1p", -2), at("rsqrt", 0), at("sqrt", -1), at("reciprocal", -0)]).toEqual([
      -Infinity,
      NaN,
      -Infinity,
      NaN,
      Infinity,
      NaN,
      -Infinity,
    ]);
  });

  it("the limits at infinity are those of the function, not 0 · ∞", () => {
    const at = (name: string) =>
      inWorkspace(dtype, (w) =>
        run(
          kernels,
          w,
          all.find((test) => test.name === name)!,
          [-Infinity, Infinity],
          [1, 1],
        ),
      ).map((y) => y + 0);
    for (const name of ["silu", "geluErf", "geluTanh", "softplus", "relu"]) expect(at(name), name).toEqual([0, Infinity]);
    for (const name of ["siluGrad", "geluErfGrad", "geluTanhGrad", "softplusGrad", "reluGrad", "sigmoid"])
      expect(at(name), name).toEqual([0, 1]);
    for (const name of ["tanhGrad", "erfGrad", "sigmoidGrad"]) expect(at(name), name).toEqual([0, 0]);
    for (const name of ["tanh", "erf"]) expect(at(name), name).toEqual([-1, 1]);
  });

  it("kinks: relu and abs have gradient 0 at 0, leakyRelu its slope, clamp 1 on its bounds", () => {
    const at = (name: string, x: number, parameters: number[]) =>
      inWorkspace(dtype, (w) =>
        run(
          kernels,
          w,
          all.find((test) => test.name === name)!,
          [x],
          [3],
          parameters,
        ),
      )[0]! + 0;
    expect([
      at("reluGrad", 0, []),
      at("absGrad", -0, []),
      at("leakyReluGrad", 0, [0.25]),
      at("clampGrad", -1, [-1, 2]),
      at("clampGrad", 2, [-1, 2]),
    ]).toEqual([0, 0, 0.75, 3, 3]);
  });

  it("a closed gate lets no NaN through", () => {
    for (const [name, x, parameters] of [
      ["reluGrad", -1, []],
      ["absGrad", 0, []],
      ["clampGrad", 5, [-1, 2]],
    ] as const) {
      const y = inWorkspace(dtype, (w) =>
        run(
          kernels,
          w,
          all.find((test) => test.name === name)!,
          [x],
          [NaN],
          [...parameters],
        ),
      );
      expect(y[0]! + 0, name).toBe(0);
    }
  });

  it("a NaN of any payload stays NaN", () => {
    for (const test of all) {
      if (dtype === "float64") continue;
      const payloads = new Float32Array(new Uint32Array([0x7fc00001, 0xffffffff, 0x7f800001, 0xffc01234]).buffer);
      const y = inWorkspace(dtype, (w) => {
        const [from, g, out] = [w.bytes(new Uint8Array(payloads.buffer)), w.reals([1, 1, 1, 1]), w.reals(4)];
        (kernels as unknown as Record<string, Kernel>)[test.name]!(
          from,
          ...(test.grad ? [g] : []),
          out,
          4,
          ...(test.promise.parameters ?? []),
        );
        return w.readReals(out, 4);
      });
      expect(y, test.name).toEqual([NaN, NaN, NaN, NaN]);
    }
  });

  it("powScalar: whole, negative and zero exponents, negative bases", () => {
    const test = all.find(({ name }) => name === "powScalar")!;
    const x = [-2, -1.5, -0, 0, 0.5, 3, Infinity, -Infinity, NaN];
    for (const exponent of [-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 7]) {
      const y = inWorkspace(dtype, (w) => run(kernels, w, test, x, [], [exponent]));
      const expected = x.map((value) => value ** exponent);
      expectWithin(y, dtype === "float32" ? expected.map(Math.fround) : expected, x, { ulps: dtype === "float32" ? 1 : 2 ** -28 });
    }
  });

  it("powScalarGrad is the derivative, also where the exponent is 0, 1 or 2", () => {
    const test = all.find(({ name }) => name === "powScalarGrad")!;
    const at = (x: number, exponent: number) => inWorkspace(dtype, (w) => run(kernels, w, test, [x], [1], [exponent]))[0]! + 0;
    expect([at(0, 0), at(5, 0), at(0, 1), at(0, 2), at(-3, 2), at(-2, 3)]).toEqual([0, 0, 1, 0, -6, 12]);
  });

  it("sin and cos stay within one for any argument, and on the circle while the phase has digits", () => {
    const [sin, cos] = ["sin", "cos"].map((name) => all.find((test) => test.name === name)!);
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 9 }), (x) => {
        const [s, c] = [sin!, cos!].map((test) => inWorkspace(dtype, (w) => run(kernels, w, test, x, [])));
        return x.every(
          (value, i) =>
            Math.abs(s![i]!) <= 1 && Math.abs(c![i]!) <= 1 && (Math.abs(value) > 1e9 || Math.abs(s![i]! ** 2 + c![i]! ** 2 - 1) < 4e-7),
        );
      }),
      { seed: 1 },
    );
  });
});

it("sin and cos lose |x| · 2^-52 of phase at most, up to 1e12", () => {
  const x = Float32Array.from(noise(2000, 8), (value, i) => value * 10 ** (6 + (i % 7)));
  for (const { kernels, dtype } of implementationsOf(unary)) {
    if (dtype === "float64") continue;
    for (const test of all.filter(({ name }) => name === "sin" || name === "cos")) {
      const y = inWorkspace(dtype, (w) => run(kernels, w, test, x, []));
      const truth = exact(test, x, []);
      for (let i = 0; i < x.length; i++) expect(Math.abs(y[i]! - truth[i]!)).toBeLessThan(2 ** -23 + Math.abs(x[i]!) * 2 ** -52);
    }
  }
});
