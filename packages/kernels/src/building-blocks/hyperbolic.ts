import { f32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { decayBlock, expm1Block, withSignOf } from "./exp.ts";

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
