import { f32, f32x4, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, Local, Parameters } from "../assembler/index.ts";
import {
  Constants,
  decayBlock,
  elementLoop,
  erfBlock,
  expBlock,
  expm1Block,
  GELU_CUBIC,
  GELU_LINEAR,
  gaussianBlock,
  geluErfBlock,
  geluErfSlopeBlock,
  geluInnerBlock,
  geluTanhBlock,
  log1pBlock,
  log1pUnitBlock,
  logBlock,
  powBlock,
  sigmoidBlock,
  signBits,
  tails,
  tanhBlock,
  trigonometricBlock,
} from "../building-blocks/index.ts";

type Vector = Local<"v128">;
/** Prepares constants before the loop, and returns what one turn computes. `p` holds the function's parameters, in all lanes. */
type Function = (k: Constants, p: Vector[]) => (x: Vector) => Expression<"v128">;
type Gradient = (k: Constants, p: Vector[]) => (x: Vector, g: Vector) => Expression<"v128">;

const { add, sub, mul, div, neg, abs, sqrt, eq, ne, gt, le, ge, pmin, pmax } = f32x4;
const { and, or, xor, bitselect } = v128;

/** All ones, a NaN, where x is NaN; else zeros. Joined by `or`. */
const nanOf = (x: Vector) => ne(x, x);

const functions: Record<string, Function> = {
  neg: () => neg,
  abs: () => abs,
  exp: expBlock,
  log: logBlock,
  log1p: log1pBlock,
  sqrt: () => sqrt,
  rsqrt: (k) => {
    const one = k.f32(1);
    return (x) => div(one, sqrt(x));
  },
  reciprocal: (k) => {
    const one = k.f32(1);
    return (x) => div(one, x);
  },
  square: () => (x) => mul(x, x),
  tanh: tanhBlock,
  sigmoid: (k) => {
    const sigmoid = sigmoidBlock(k);
    return (x) => sigmoid(x).value;
  },
  relu: (k) => {
    const zero = k.f32(0);
    return (x) => pmax(x, zero); // x first keeps NaN
  },
  silu: (k) => {
    const [sigmoid, least] = [sigmoidBlock(k), k.f32(-1e4)];
    return (x) => {
      const { value } = sigmoid(x);
      return mul(pmax(x, least), value); // −1e4 · 0, where −∞ · 0 would be NaN
    };
  },
  erf: erfBlock,
  sin: (k) => trigonometricBlock(k, "sin"),
  cos: (k) => trigonometricBlock(k, "cos"),
  softplus: (k) => {
    const [decay, log1p, zero] = [decayBlock(k), log1pUnitBlock(k), k.f32(0)];
    return (x) => {
      const e = k.f.let(decay(neg(abs(x))));
      const rest = k.f.let(log1p(e));
      return add(pmax(x, zero), rest);
    };
  },
  geluErf: geluErfBlock,
  geluTanh: geluTanhBlock,
  elu: (k, [alpha]) => {
    const [expm1, zero] = [expm1Block(k), k.f32(0)];
    return (x) => {
      const below = k.f.let(mul(expm1(x), alpha!));
      return bitselect(x, below, gt(x, zero));
    };
  },
  leakyRelu: (k, [slope]) => {
    const zero = k.f32(0);
    return (x) => bitselect(x, mul(x, slope!), gt(x, zero));
  },
  clamp:
    (_, [low, high]) =>
    (x) =>
      pmin(pmax(x, low!), high!),
  scale:
    (k, [factor, offset]) =>
    (x) =>
      k.f.madd(x, factor!, offset!),
  powScalar: (k, [exponent]) => {
    const pow = powBlock(k);
    return (x) => pow(x, exponent!);
  },
};

/** The derivative at x times g, in the order of the functions above. */
const gradients: Record<string, Gradient> = {
  abs: (k) => {
    const [signs, zero] = [signBits(k), k.f32(0)];
    return (x, g) => or(and(xor(g, and(x, signs)), ne(x, zero)), nanOf(x));
  },
  exp: (k) => {
    const exp = expBlock(k);
    return (x, g) => mul(exp(x), g);
  },
  log: () => (x, g) => div(g, x),
  log1p: (k) => {
    const one = k.f32(1);
    return (x, g) => div(g, add(x, one));
  },
  sqrt: (k) => {
    const half = k.f32(0.5);
    return (x, g) => div(mul(g, half), sqrt(x));
  },
  rsqrt: (k) => {
    const minusHalf = k.f32(-0.5);
    return (x, g) => div(div(mul(g, minusHalf), x), sqrt(x)); // x √x would underflow
  },
  reciprocal: () => (x, g) => neg(div(div(g, x), x)), // so would x²
  square: () => (x, g) => mul(add(x, x), g),
  tanh: (k) => {
    const [sigmoid, four] = [sigmoidBlock(k), k.f32(4)];
    return (x, g) => {
      const { slope } = sigmoid(k.f.let(add(x, x)));
      return mul(mul(slope(), four), g);
    };
  },
  sigmoid: (k) => {
    const sigmoid = sigmoidBlock(k);
    return (x, g) => {
      const { slope } = sigmoid(x);
      return mul(slope(), g);
    };
  },
  relu: (k) => {
    const zero = k.f32(0);
    return (x, g) => or(and(g, gt(x, zero)), nanOf(x));
  },
  silu: (k) => {
    const [sigmoid, least, most] = [sigmoidBlock(k), k.f32(-1e4), k.f32(1e4)];
    return (x, g) => {
      const { value, slope } = sigmoid(x);
      return mul(k.f.madd(pmin(pmax(x, least), most), slope(), value), g);
    };
  },
  erf: (k) => {
    const [gaussian, end, factor] = [gaussianBlock(k, 1), k.f32(9.39), k.f32(2 / Math.sqrt(Math.PI))]; // e^(-9.39²) is below 2^-126
    return (x, g) => mul(mul(gaussian(k.f.let(pmin(abs(x), end))), factor), g);
  },
  sin: (k) => {
    const cos = trigonometricBlock(k, "cos");
    return (x, g) => mul(cos(x), g);
  },
  cos: (k) => {
    const sin = trigonometricBlock(k, "sin");
    return (x, g) => neg(mul(sin(x), g));
  },
  softplus: (k) => {
    const sigmoid = sigmoidBlock(k);
    return (x, g) => {
      const { value } = sigmoid(x);
      return mul(value, g);
    };
  },
  geluErf: (k) => {
    const slope = geluErfSlopeBlock(k);
    return (x, g) => mul(slope(x), g);
  },
  geluTanh: (k) => {
    const [sigmoid, inner, least, most] = [sigmoidBlock(k), geluInnerBlock(k), k.f32(-20), k.f32(20)]; // beyond ±20 the slope is 0
    const [constant, quadratic] = [k.f32(GELU_LINEAR), k.f32(3 * GELU_CUBIC)];
    return (x, g) => {
      const t = k.f.let(pmin(pmax(x, least), most));
      const { value, slope } = sigmoid(k.f.let(inner(t)));
      const derivative = mul(k.f.madd(mul(t, t), quadratic, constant), t);
      return mul(k.f.madd(derivative, slope(), value), g);
    };
  },
  elu: (k, [alpha]) => {
    const [exp, zero] = [expBlock(k), k.f32(0)];
    return (x, g) => {
      const below = k.f.let(mul(mul(exp(x), alpha!), g));
      return bitselect(g, below, gt(x, zero));
    };
  },
  leakyRelu: (k, [slope]) => {
    const zero = k.f32(0);
    return (x, g) => or(bitselect(g, mul(g, slope!), gt(x, zero)), nanOf(x));
  },
  clamp:
    (_, [low, high]) =>
    (x, g) =>
      or(and(g, and(ge(x, low!), le(x, high!))), nanOf(x)),
  powScalar: (k, [exponent]) => {
    const [pow, one, zero] = [powBlock(k), k.f32(1), k.f32(0)];
    const less = k.f.let(sub(exponent!, one));
    const constant = k.f.let(eq(exponent!, zero));
    return (x, g) => {
      const power = k.f.let(pow(x, less));
      return v128.andnot(mul(mul(power, exponent!), g), constant);
    };
  },
};

const parameterNames: Record<string, string[]> = {
  elu: ["alpha"],
  leakyRelu: ["slope"],
  clamp: ["low", "high"],
  scale: ["factor", "offset"],
  powScalar: ["exponent"],
};

/** Long chains of operations, which go up to 1.6 times as fast side by side. Only those that models are made of: the loop for it is four times as long. */
const SIDE_BY_SIDE = new Set(["exp", "tanh", "sigmoid", "silu", "geluErf", "geluTanh", "geluErfGrad"]);
const vectorsTogether = (name: string): number | undefined => (SIDE_BY_SIDE.has(name) ? 4 : undefined);

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const tail = tails(m);
  const names = (name: string): Parameters => Object.fromEntries((parameterNames[name] ?? []).map((parameter) => [parameter, "f32"]));
  for (const [name, prepare] of Object.entries(functions)) {
    m.func(name, { params: { x: "i32", out: "i32", n: "i32", ...names(name) } }, (f, { x, out, n, ...rest }) => {
      const k = new Constants(f);
      const parameters = Object.values(rest as Record<string, Local<"f32">>).map((value) => f.let(f32x4.splat(value)));
      if (name === "powScalar") {
        f.if(f32.eq((rest as Record<string, Local<"f32">>).exponent!, 2), () => {
          elementLoop(f, tail, [x], out, n, (value) => mul(value, value));
          f.return();
        });
      }
      const one = prepare(k, parameters);
      elementLoop(f, tail, [x], out, n, (value) => one(value!), vectorsTogether(name));
    });
  }
  for (const [name, prepare] of Object.entries(gradients)) {
    m.func(`${name}Grad`, { params: { x: "i32", g: "i32", out: "i32", n: "i32", ...names(name) } }, (f, { x, g, out, n, ...rest }) => {
      const k = new Constants(f);
      const parameters = Object.values(rest as Record<string, Local<"f32">>).map((value) => f.let(f32x4.splat(value)));
      const one = prepare(k, parameters);
      elementLoop(f, tail, [x, g], out, n, (value, cotangent) => one(value!, cotangent!), vectorsTogether(`${name}Grad`));
    });
  }
  return m.toBytes();
}
