import { describe, expect, it } from "vitest";
import { tensor } from "../core/construct.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs } from "./abs.ts";
import { neg } from "./arithmetic.ts";
import { clamp } from "./clamp.ts";
import { erf } from "./erf.ts";
import { exp, log, log1p } from "./exponential.ts";
import { gelu } from "./gelu.ts";
import { pow, reciprocal, rsqrt, sqrt, square } from "./powers.ts";
import { elu, leakyRelu, relu } from "./relu.ts";
import { sigmoid, silu, softplus, tanh } from "./sigmoid.ts";
import { cos, sin } from "./trigonometric.ts";

const golden: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu,
  gelu_erf: gelu,
  gelu_tanh: (x) => gelu(x, { approximate: "tanh" }),
  silu,
  erf,
  tanh,
  sigmoid,
  softplus,
  elu,
  leaky_relu: (x) => leakyRelu(x, { slope: 0.2 }),
  exp,
  sin,
  cos,
  abs,
  neg,
  square,
  log,
  log1p,
  sqrt,
  rsqrt,
  reciprocal,
};

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: ["unary", "clamp"] }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { fn, low, high } = stored.options as { fn: string; low: number | null; high: number | null };
      const f = stored.op === "unary" ? golden[fn] : (x: Tensor) => clamp(x, { low: low ?? undefined, high: high ?? undefined });
      expectGolden(stored, ({ inputs: { x } }) => ({ y: f(x) }));
    }),
  );
});

const smooth: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  ...golden,
  "clamp inside": (x) => clamp(x, { low: -3, high: 3 }),
  "pow 2.5": (x) => pow(abs(x), 2.5),
  "pow -1": (x) => pow(x, -1),
};
const positive = new Set(["log", "log1p", "sqrt", "rsqrt", "pow 2.5"]);

it.each(Object.entries(smooth))("%s has the first and second gradient of its central differences", (name, f) => {
  const x = randomTensor([2, 5], 3, { awayFromZero: 0.2, low: positive.has(name) ? 0 : -1 });
  expectGradient(f, [x], { second: true, tolerance: 1e-7 });
});

it("works on views, scalars and empty tensors", () => {
  const x = randomTensor([2, 3], 1);
  expectClose(square(x.transpose()), square(x).transpose(), 0);
  expectClose(exp(tensor(0)), 1);
  expect(exp(tensor([[], []])).shape).toEqual([2, 0]);
});

it("widens float16 and bfloat16, and refuses integers", () => {
  expect(exp(tensor([0, 1], { dtype: "float16" })).dtype).toBe("float32");
  expect(square(tensor([3], { dtype: "bfloat16" })).toArray()).toEqual([9]);
  expect(() => exp(tensor([1], { dtype: "int32" }))).toThrow(/exp: works on float32 and float64; got dtype "int32".*cast/);
});

describe("edges", () => {
  const at = (f: (x: Tensor) => Tensor, ...values: number[]) => f(tensor(values)).toArray();
  it("exp underflows to 0 and overflows to ∞", () => expect(at(exp, -200, 200, -Infinity, Infinity)).toEqual([0, Infinity, 0, Infinity]));
  it("log of 0 is −∞, below NaN", () => expect(at(log, 0, -1, Infinity)).toEqual([-Infinity, NaN, Infinity]));
  it("log1p keeps its digits near 0", () => expectClose(log1p(tensor([1e-20, -1e-20])), [1e-20, -1e-20], { rtol: 1e-6 }));
  it("sigmoid and tanh saturate", () => {
    expect(at(sigmoid, -200, 200)).toEqual([0, 1]);
    expect(at(tanh, -200, 200)).toEqual([-1, 1]);
  });
  it("softplus does not overflow", () => expect(at(softplus, -200, 200)).toEqual([0, 200]));
  it("silu and gelu of −∞ are 0, of ∞ are ∞", () => {
    for (const f of [silu, gelu, (x: Tensor) => gelu(x, { approximate: "tanh" })])
      expect(abs(f(tensor([-Infinity, Infinity]))).toArray()).toEqual([0, Infinity]);
  });
  it("NaN in is NaN out, gradients too", () => {
    for (const f of Object.values(golden)) {
      const x = tensor([NaN], { requiresGrad: true });
      const y = f(x);
      expect(y.item()).toBeNaN();
      y.backward();
      if (f !== neg) expect(x.grad!.item()).toBeNaN();
    }
  });
  it("relu has gradient 0 at 0, leakyRelu its slope", () => {
    for (const [f, slope] of [
      [relu, 0],
      [leakyRelu, 0.01],
    ] as const) {
      const x = tensor([0], { requiresGrad: true });
      f(x).backward(tensor([1]));
      expectClose(x.grad!, [slope], 1e-9);
    }
  });
  it("x⁰ is 1 everywhere, and its gradient 0", () => {
    const x = tensor([0, -2, NaN], { requiresGrad: true });
    const y = pow(x, 0);
    expect(y.toArray()).toEqual([1, 1, 1]);
    y.backward(tensor([1, 1, 1]));
    expect(x.grad!.toArray()).toEqual([0, 0, 0]);
  });
});

it("clamp refuses bounds the wrong way round", () => {
  expect(() => clamp(tensor([1]), { low: 2, high: 1 })).toThrow(/clamp: low must not be above high; got low 2, high 1/);
});
