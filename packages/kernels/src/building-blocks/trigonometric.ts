import { f32x4, f64x2, i32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { horner } from "./polynomial.ts";

/** `(sin r − r) / r³` and `(cos r − 1 + r²/2) / r⁴` in r², |r| ≤ π/4, within 2^-28 and 2^-33. */
const SIN = [-0.16666653752326965, 0.008332150988280773, -0.0001951398007804528];
const COS = [0.04166664555668831, -0.0013887303648516536, 2.44316688622348e-5];

/** π/2 in two doubles; the first has 33 bits, so its product with a count below 2^20 is exact. */
const HALF_PI_HIGH = 1.5707963267341256;
const HALF_PI_LOW = 6.077100506506192e-11;
/** 1.5 · 2^52: adding it to a double rounds to an integer, which then stands in the low word. */
const MAGIC = 6_755_399_441_055_744;

/**
 * `sin x` or `cos x`. The argument is reduced in doubles: at most 2 ulp (and 2^-25) for |x| ≤ 1e6; beyond, the phase is off by
 * |x| · 2^-52, and the result stays within [−1, 1]. NaN at ±∞.
 */
export function trigonometricBlock(k: Constants, which: "sin" | "cos"): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [twoOverPi, magic, high, low] = [k.f64(2 / Math.PI), k.f64(MAGIC), k.f64(-HALF_PI_HIGH), k.f64(-HALF_PI_LOW)] as const;
  const [most, least, one, half, oneBit, zero] = [k.f32(0.786), k.f32(-0.786), k.f32(1), k.f32(-0.5), k.i32(1), k.i32(0)] as const;
  const [sin, cos] = [SIN.map((c) => k.f32(c)), COS.map((c) => k.f32(c))];
  const reduce = (x: Local<"v128">) => {
    const count = f.let(f.maddF64(x, twoOverPi, magic));
    const n = f.let(f64x2.sub(count, magic));
    const rest = f64x2.add(f64x2.add(x, f64x2.mul(n, high)), f64x2.mul(n, low));
    return { count, rest: f.let(f32x4.demoteF64x2Zero(rest)) };
  };
  return (x) => {
    const first = reduce(f.let(f64x2.promoteLowF32x4(x)));
    const second = reduce(f.let(f64x2.promoteLowF32x4(f32x4.shuffle(x, x, [2, 3, 0, 1]))));
    const quadrant = f.let(f32x4.shuffle(first.count, second.count, [0, 2, 4, 6])); // their low words
    const r = f.let(f32x4.shuffle(first.rest, second.rest, [0, 1, 4, 5]));
    r.set(f32x4.pmax(f32x4.pmin(r, most), least)); // nothing, save where |x| left no digits of phase
    const z = f.let(f32x4.mul(r, r));
    const sine = f.let(f.madd(f32x4.mul(r, z), horner(f, z, sin), r));
    const cosine = f.let(f.madd(f32x4.mul(z, z), horner(f, z, cos), f.madd(z, half, one)));
    if (which === "cos") quadrant.set(i32x4.add(quadrant, oneBit)); // cos x = sin (x + π/2)
    const swapped = i32x4.ne(v128.and(quadrant, oneBit), zero);
    const value = v128.bitselect(cosine, sine, swapped);
    return v128.xor(value, i32x4.shl(i32x4.shrU(quadrant, 1), 31));
  };
}
