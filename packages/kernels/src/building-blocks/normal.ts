import { f32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { fastDecayBlock, withSignOf } from "./exp.ts";
import { horner } from "./polynomial.ts";

/** `½ e^(a²/2) erfc(a / √2)`, 0 ≤ a ≤ 14, as a quotient within 2^-25. All terms are positive, so nothing cancels. */
const TAIL_OVER = [0.5, 0.4372515082359314, 0.18246227502822876, 0.040372706949710846, 0.004077633377164602];
const TAIL_UNDER = [1, 1.672387957572937, 1.199292540550232, 0.4674302935600281, 0.10120617598295212, 0.010220983065664768];
/** `erf(x) / x − 1` in x², 0 ≤ x ≤ 1, within 2^-29. */
const ERF = [
  0.12837916705512, -0.3761262595653534, 0.1128358542919159, -0.026853812858462334, 0.005188327748328447, -0.0008010195451788604,
  7.853867282392457e-5,
];

/**
 * `e^(−factor · a²)` for 0 ≤ a, factor · a² ≤ 88.3. The square is rounded before it is raised, so the error is
 * (2 + 3 · factor · a²) ulp: little where the value is large. Results below 2^-126 become 0.
 */
export function gaussianBlock(k: Constants, factor: 0.5 | 1): (a: Local<"v128">) => Expression<"v128"> {
  const decay = fastDecayBlock(k, -factor, true);
  return (a) => decay(f32x4.mul(a, a));
}

/** `½ e^(a²/2) erfc(a / √2)` for 0 ≤ a ≤ 14: times the Gaussian it is the normal distribution's upper tail. */
export function tailRatioBlock(k: Constants): (a: Local<"v128">) => { over: Expression<"v128">; under: Expression<"v128"> } {
  const { f } = k;
  const [over, under] = [TAIL_OVER.map((c) => k.f32(c)), TAIL_UNDER.map((c) => k.f32(c))];
  return (a) => ({ over: horner(f, a, over), under: horner(f, a, under) });
}

/** From here on e^(−a²/2) is below 2^-126. */
const TAIL_END = 13.28;

/**
 * `x Φ(x) = max(x, 0) − |x| Φ(−|x|)`, exact GELU: the lower tail keeps its digits, and ∓∞ gives 0 and ∞.
 * At most (6 + 1.5 x²) ulp below 0, 4 above.
 */
export function geluErfBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [end, zero] = [k.f32(TAIL_END), k.f32(0)] as const;
  const [gaussian, ratio] = [gaussianBlock(k, 0.5), tailRatioBlock(k)];
  return (x) => {
    const a = f.let(f32x4.pmin(f32x4.abs(x), end));
    const e = f.let(gaussian(a));
    const { over, under } = ratio(a);
    return f32x4.sub(f32x4.pmax(x, zero), f32x4.div(f32x4.mul(f32x4.mul(a, e), over), under));
  };
}

/** `Φ(x) + x φ(x)`, the derivative of exact GELU. */
export function geluErfSlopeBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [end, zero, one, density] = [k.f32(TAIL_END), k.f32(0), k.f32(1), k.f32(0.3989422804014327)] as const;
  k.f32(-0);
  const [gaussian, ratio] = [gaussianBlock(k, 0.5), tailRatioBlock(k)];
  return (x) => {
    const a = f.let(f32x4.pmin(f32x4.abs(x), end));
    const e = f.let(gaussian(a));
    const { over, under } = ratio(a);
    const tail = f.let(f32x4.div(f32x4.mul(e, over), under));
    const below = f.let(f32x4.lt(x, zero));
    const distribution = v128.bitselect(tail, f32x4.sub(one, tail), below);
    return f.madd(f32x4.mul(e, density), withSignOf(k, a, x), distribution);
  };
}

/** The error function: an odd polynomial below 1, else 1 − erfc. At most 2 ulp. */
export function erfBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [end, one, root2] = [k.f32(4), k.f32(1), k.f32(Math.SQRT2)] as const; // from 3.92 on, erf rounds to 1
  const two = k.f32(2);
  k.f32(-0);
  const coefficients = ERF.map((c) => k.f32(c));
  const [gaussian, ratio] = [gaussianBlock(k, 1), tailRatioBlock(k)];
  return (x) => {
    const size = f.let(f32x4.pmin(f32x4.abs(x), end));
    const e = f.let(gaussian(size));
    const a = f.let(f32x4.mul(size, root2));
    const { over, under } = ratio(a);
    const far = f.let(f32x4.sub(one, f32x4.div(f32x4.mul(f32x4.mul(e, two), over), under)));
    const square = f.let(f32x4.mul(size, size));
    const near = f.madd(size, horner(f, square, coefficients), size);
    const value = v128.bitselect(near, far, f32x4.lt(size, one));
    return withSignOf(k, value, x);
  };
}
