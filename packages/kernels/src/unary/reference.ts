import type { Views } from "../memory/views.ts";
import { erf, erfc, pow } from "../math/index.ts";
import { geluErf, geluInner, geluTanh, logistic, within } from "./gelu.ts";
import type { UnaryKernels } from "./unary.ts";

/** The functions in plain loops, computed in doubles: the definition. */
export function reference(views: Views): UnaryKernels {
  const { map, mapGrad } = loops(views);
  return {
    neg: map((x) => -x),
    abs: map((x) => Math.abs(x)),
    absGrad: mapGrad((x, g) => (x > 0 ? g : x < 0 ? -g : x)),
    exp: map((x) => Math.exp(x)),
    expGrad: mapGrad((x, g) => g * Math.exp(x)),
    log: map((x) => Math.log(x)),
    logGrad: mapGrad((x, g) => g / x),
    log1p: map((x) => Math.log1p(x)),
    log1pGrad: mapGrad((x, g) => g / (1 + x)),
    sqrt: map((x) => Math.sqrt(x)),
    sqrtGrad: mapGrad((x, g) => (0.5 * g) / Math.sqrt(x)),
    rsqrt: map((x) => 1 / Math.sqrt(x)),
    rsqrtGrad: mapGrad((x, g) => (-0.5 * g) / (x * Math.sqrt(x))),
    reciprocal: map((x) => 1 / x),
    reciprocalGrad: mapGrad((x, g) => -g / (x * x)),
    square: map((x) => x * x),
    squareGrad: mapGrad((x, g) => 2 * x * g),
    tanh: map((x) => Math.tanh(x)),
    tanhGrad: mapGrad((x, g) => g * 4 * logisticSlope(2 * x)),
    sigmoid: map(logistic),
    sigmoidGrad: mapGrad((x, g) => g * logisticSlope(x)),
    relu: map((x) => (x < 0 ? 0 : x)),
    reluGrad: mapGrad((x, g) => (x > 0 ? g : x <= 0 ? 0 : x)),
    silu: map((x) => Math.max(x, -1e4) * logistic(x)),
    siluGrad: mapGrad((x, g) => g * (logistic(x) + within(x, 1e4) * logisticSlope(x))),
    erf: map(erf),
    erfGrad: mapGrad((x, g) => g * (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)),
    sin: map((x) => Math.sin(x)),
    sinGrad: mapGrad((x, g) => g * Math.cos(x)),
    cos: map((x) => Math.cos(x)),
    cosGrad: mapGrad((x, g) => -g * Math.sin(x)),
    softplus: map((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    softplusGrad: mapGrad((x, g) => g * logistic(x)),
    geluErf: map(geluErf),
    geluErfGrad: mapGrad(
      (x, g) => g * (0.5 * erfc(-x * Math.SQRT1_2) + (within(x, 1e4) * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)),
    ),
    geluTanh: map(geluTanh),
    geluTanhGrad: mapGrad((x, g) => {
      const t = within(x, 1e4);
      const inner = 2 * geluInner(t);
      return g * (logistic(inner) + t * logisticSlope(inner) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * t * t));
    }),
    elu: map((x, alpha) => (x > 0 ? x : alpha * Math.expm1(x))),
    eluGrad: mapGrad((x, g, alpha) => (x > 0 ? g : g * alpha * Math.exp(x))),
    leakyRelu: map((x, slope) => (x > 0 ? x : slope * x)),
    leakyReluGrad: mapGrad((x, g, slope) => (x > 0 ? g : x <= 0 ? g * slope : x)),
    clamp: map((x, low, high) => {
      const raised = x < low ? low : x;
      return raised > high ? high : raised;
    }),
    clampGrad: mapGrad((x, g, low, high) => (x >= low && x <= high ? g : x < low || x > high ? 0 : x)),
    scale: map((x, factor, offset) => x * factor + offset),
    powScalar: map((x, exponent) => pow(x, exponent)),
    powScalarGrad: mapGrad((x, g, exponent) => (exponent === 0 ? 0 : g * exponent * pow(x, exponent - 1))),
  };
}

function logisticSlope(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return e / (1 + e) ** 2;
}

type Map = (x: number, out: number, n: number, a?: number, b?: number) => void;
type MapGrad = (x: number, g: number, out: number, n: number, a?: number, b?: number) => void;

/** Scalars arrive as float32 in the WebAssembly builds, so in that precision here too. */
function loops(views: Views) {
  const scalar = views.shift === 2 ? Math.fround : (a: number) => a;
  const map = (one: (x: number, a: number, b: number) => number): Map => {
    return (x, out, n, a = 0, b = 0) => {
      const real = views.real();
      const [from, to] = [x >>> views.shift, out >>> views.shift];
      const [p, q] = [scalar(a), scalar(b)];
      for (let i = 0; i < n; i++) real[to + i] = one(real[from + i]!, p, q);
    };
  };
  const mapGrad = (one: (x: number, g: number, a: number, b: number) => number): MapGrad => {
    return (x, g, out, n, a = 0, b = 0) => {
      const real = views.real();
      const [from, cotangent, to] = [x >>> views.shift, g >>> views.shift, out >>> views.shift];
      const [p, q] = [scalar(a), scalar(b)];
      for (let i = 0; i < n; i++) real[to + i] = one(real[from + i]!, real[cotangent + i]!, p, q);
    };
  };
  return { map, mapGrad };
}
