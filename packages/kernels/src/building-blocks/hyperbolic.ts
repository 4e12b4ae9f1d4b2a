import { f32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local, V128 } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { decayBlock, expm1Block, withSignOf } from "./exp.ts";
import { horner } from "./polynomial.ts";

/** `tanh x = t / (t + 2)`, t = e^(2|x|) − 1, with the sign of x; ±1 at ±∞. At most 3 ulp. */
export function tanhBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [limit, two] = [k.f32(9.1), k.f32(2)] as const; // from 9.02 on, tanh rounds to 1
  k.f32(-0);
  const expm1 = expm1Block(k);
  return (x) => {
    const size = f.let(f32x4.pmin(f32x4.abs(x), limit));
    const t = f.let(expm1(f32x4.add(size, size)));
    return withSignOf(k, f32x4.div(t, f32x4.add(t, two)), x);
  };
}

/** `tanh x = x P(x²) / Q(x²)` on [−7.9, 7.9], relative error at most 1.7e-8 before rounding. */
const TANH_OVER = [1, 0.12984918057918549, 0.0029921054374426603, 9.939256415236741e-6, -1.490642631551964e-8, 2.4105587317913013e-11];
const TANH_UNDER = [1, 0.46318235993385315, 0.02405312843620777, 0.00023808794503565878];

/** `tanh x`, the fast form, as gates want it: at most 6 ulp, so never more than 2^-21 away; short of ±1 by as much beyond ±7.9. NaN stays. */
export function fastTanhBlock(k: Constants): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const [least, most] = [k.f32(-7.9), k.f32(7.9)] as const;
  const [over, under] = [TANH_OVER.map((c) => k.f32(c)), TANH_UNDER.map((c) => k.f32(c))];
  return (x) => {
    const bounded = f.let(f32x4.pmin(f32x4.pmax(x, least), most)); // x first keeps NaN
    const square = f.let(f32x4.mul(bounded, bounded));
    return f32x4.div(f32x4.mul(bounded, horner(f, square, over)), horner(f, square, under));
  };
}

/** `1 / (1 + e^-x) = ½ + ½ tanh ½x`, the fast form: at most 2^-21 away, which is not little in the lower tail. NaN stays. */
export function fastSigmoidBlock(k: Constants): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const half = k.f32(0.5);
  const tanh = fastTanhBlock(k);
  return (x) => f.madd(tanh(f32x4.mul(x, half)), half, half);
}

export interface Sigmoid {
  /** 1 / (1 + e^-x) */
  readonly value: Local<"v128">;
  /** its derivative, value · (1 − value) without cancellation */
  slope(): Expression<"v128">;
}

/** The logistic function, from e^-|x|, so that both tails are exact; below x = −87 it is 0. At most 3 ulp, its slope 5. */
export function sigmoidBlock(k: Constants): (x: Local<"v128">) => Sigmoid {
  const { f } = k;
  const [one, zero] = [k.f32(1), k.f32(0)] as const;
  const decay = decayBlock(k);
  return (x) => {
    const e = f.let(decay(f32x4.neg(f32x4.abs(x))));
    const under = f.let(f32x4.add(e, one));
    const value = f.let(f32x4.div(v128.bitselect(e, one, f32x4.lt(x, zero)), under));
    return {
      value,
      slope() {
        const inverse = f.let(f32x4.div(one, under));
        return f32x4.mul(f32x4.mul(e, inverse), inverse);
      },
    };
  };
}

export const GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);
export const GELU_CUBIC = 0.044715 * GELU_LINEAR;

/** 2 √(2/π) (x + 0.044715 x³): tanh GELU is x times the logistic function of it. */
export function geluInnerBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const [linear, cubic] = [k.f32(GELU_LINEAR), k.f32(GELU_CUBIC)];
  return (x) => f32x4.mul(k.f.madd(f32x4.mul(x, x), cubic, linear), x);
}

/** `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`; ∓∞ gives 0 and ∞. */
export function geluTanhBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const [sigmoid, least, inner] = [sigmoidBlock(k), k.f32(-1e4), geluInnerBlock(k)];
  return (x) => {
    const { value } = sigmoid(k.f.let(inner(x)));
    return f32x4.mul(f32x4.pmax(x, least), value);
  };
}
