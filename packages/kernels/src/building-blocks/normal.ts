import { f32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { fastDecayBlock, withSignOf } from "./exp.ts";
import { horner, hornerInPairs } from "./polynomial.ts";

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
function tailRatioBlock(k: Constants): (a: Local<"v128">) => { over: Expression<"v128">; under: Expression<"v128"> } {
  const { f } = k;
  const [over, under] = [TAIL_OVER.map((c) => k.f32(c)), TAIL_UNDER.map((c) => k.f32(c))];
  return (a) => ({ over: horner(f, a, over), under: horner(f, a, under) });
}

/**
 * `(2 Φ(−a))^(−1/8) = 1 + c₁ a + c₂ a² + …`: a root of the tail is tame enough for a short polynomial. Minimax for Φ(−a) itself, 0 ≤ a ≤ 5.6,
 * within 5.1e-9; from there on it grows faster than the true root, so that the tail goes to 0 all the same.
 */
const TAIL_ROOT = [
  0.09973563998937607, 0.044761136174201965, 0.008682326413691044, 0.0008312887512147427, 0.00024949261569418013, 2.296580896654632e-5,
  6.51407208351884e-6, -9.294568030782102e-7, 2.633713336308574e-7,
];
/** From some 38 on the eighth power of the root overflows, so that the tail is exactly 0. */
const TAIL_ROOT_END = 100;

/**
 * `x Φ(x) = max(x, 0) − |x| Φ(−|x|)`, exact GELU: at most 4 ulp above 0, 8 above −2; below it is off by at most 2^-25, and ∓∞ gives
 * 0 and ∞.
 */
export function geluErfBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [end, zero, half, one] = [k.f32(TAIL_ROOT_END), k.f32(0), k.f32(0.5), k.f32(1)] as const;
  const root = TAIL_ROOT.map((c) => k.f32(c));
  return (x) => {
    const a = f.let(f32x4.pmin(f32x4.abs(x), end));
    const square = f.let(f32x4.mul(a, a));
    // What the root and its powers have above 1: where that is little, its digits would be lost beside the 1.
    const excess = f.let(f32x4.mul(a, hornerInPairs(f, a, square, root)));
    for (let power = 2; power <= 4; power *= 2) excess.set(f.madd(excess, excess, f32x4.add(excess, excess)));
    const fourth = f.let(f32x4.add(excess, one));
    return f32x4.sub(f32x4.pmax(x, zero), f32x4.div(f32x4.mul(a, half), f32x4.mul(fourth, fourth)));
  };
}

/** `(Φ(x) + x φ(x) − ½) / x` in x², |x| ≤ 5.75, as a quotient; minimax for the numerator within 2.6e-9. */
const SLOPE_OVER = [
  0.7978845238685608, -0.02400381490588188, 0.013808323070406914, 0.00017750606639310718, 3.2069714507088065e-5, 8.405344829043315e-7,
  1.123200288333237e-8, -2.8016252512363948e-11,
];
const SLOPE_UNDER = [
  1, 0.3032487630844116, 0.04338986426591873, 0.003845798084512353, 0.00023205597244667752, 9.427388249605428e-6, 2.890802193178388e-7,
];
/** Here the quotient gives exactly ½ in float32, fused or not, so that the slope beyond is exactly 0 or 1; in truth it is 9e-8 away. */
const SLOPE_END = 5.841034412384033;

/** `Φ(x) + x φ(x)`, the derivative of exact GELU: off by at most 2^-22 below 0, 3 ulp above; exactly 0 and 1 from ∓5.85 on. */
export function geluErfSlopeBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [low, high, half] = [k.f32(-SLOPE_END), k.f32(SLOPE_END), k.f32(0.5)] as const;
  const [over, under] = [SLOPE_OVER.map((c) => k.f32(c)), SLOPE_UNDER.map((c) => k.f32(c))];
  return (x) => {
    const z = f.let(f32x4.pmin(f32x4.pmax(x, low), high));
    const square = f.let(f32x4.mul(z, z));
    const top = f.let(f32x4.mul(z, horner(f, square, over)));
    const bottom = f.let(horner(f, square, under));
    return f32x4.add(half, f32x4.div(top, bottom));
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
