import { f32x4, i32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { horner } from "./polynomial.ts";

/** `(ln(1 + f) − f + f²/2) / f³`, √½ ≤ 1 + f ≤ √2: minimax for ln(1 + f), within 2^-30. */
const LOG = [
  0.3333331346511841, -0.25000008940696716, 0.20002120733261108, -0.1666799634695053, 0.1421951949596405, -0.12405543029308319,
  0.11888376623392105, -0.11676053702831268, 0.06746642291545868,
];
const LN2_HIGH = 0.693359375;
const LN2_LOW = -0.00021219444005469057;
const BITS_OF_ROOT_HALF = 0x3f3504f3;

/** `e ln 2 + ln(1 + f)` */
function logOfParts(k: Constants): (f: Local<"v128">, e: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const coefficients = LOG.map((c) => k.f32(c));
  const [high, low, minusHalf] = [k.f32(LN2_HIGH), k.f32(LN2_LOW), k.f32(-0.5)] as const;
  return (fraction, exponent) => {
    const square = f.let(f32x4.mul(fraction, fraction));
    const rest = f.let(f32x4.mul(f32x4.mul(square, fraction), horner(f, fraction, coefficients)));
    rest.set(f.madd(exponent, low, rest));
    rest.set(f.madd(square, minusHalf, rest));
    return f.madd(exponent, high, f32x4.add(fraction, rest));
  };
}

/** The natural logarithm: −∞ at 0, NaN below, ∞ at ∞, right for subnormals. At most 1.5 ulp. */
export function logBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [smallest, lift, liftExponent] = [k.f32(2 ** -126), k.f32(2 ** 23), k.f32(23)] as const;
  const [one, zero, infinity, minusInfinity, rootHalf] = [
    k.f32(1),
    k.f32(0),
    k.f32(Infinity),
    k.f32(-Infinity),
    k.i32(BITS_OF_ROOT_HALF),
  ] as const;
  const parts = logOfParts(k);
  return (x) => {
    const subnormal = f.let(f32x4.lt(x, smallest));
    const normal = f.let(v128.bitselect(f32x4.mul(x, lift), x, subnormal));
    const exponent = f.let(i32x4.shrS(i32x4.sub(normal, rootHalf), 23));
    const fraction = f.let(f32x4.sub(i32x4.sub(normal, i32x4.shl(exponent, 23)), one));
    exponent.set(f32x4.sub(f32x4.convertI32x4S(exponent), v128.and(liftExponent, subnormal)));
    const finite = v128.bitselect(parts(fraction, exponent), x, f32x4.lt(x, infinity)); // ∞ and NaN give themselves
    const positive = v128.bitselect(minusInfinity, finite, f32x4.eq(x, zero));
    return v128.or(positive, f32x4.lt(x, zero)); // all ones is a NaN
  };
}

/** `ln(1 + x)` without cancellation near 0: −∞ at −1, NaN below, ∞ at ∞. At most 1.5 ulp. */
export function log1pBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [one, large, minusOne, infinity, minusInfinity] = [k.f32(1), k.f32(2 ** 25), k.f32(-1), k.f32(Infinity), k.f32(-Infinity)] as const;
  const rootHalf = k.i32(BITS_OF_ROOT_HALF);
  const parts = logOfParts(k);
  return (x) => {
    const u = f.let(f32x4.add(x, one));
    const exponent = f.let(i32x4.shrS(i32x4.sub(u, rootHalf), 23));
    const shift = f.let(i32x4.shl(exponent, 23));
    const factor = f.let(i32x4.sub(one, shift)); // the bits of 2^-e
    // (1 + x) 2^-e − 1 from x itself, which 1 + x has rounded; beyond 2^25 the 1 does not matter, but the factor ends.
    const fraction = f.let(
      v128.bitselect(f32x4.sub(i32x4.sub(u, shift), one), f32x4.add(f32x4.mul(x, factor), f32x4.sub(factor, one)), f32x4.gt(x, large)),
    );
    exponent.set(f32x4.convertI32x4S(exponent));
    const finite = v128.bitselect(parts(fraction, exponent), x, f32x4.lt(x, infinity));
    const within = v128.bitselect(minusInfinity, finite, f32x4.eq(x, minusOne));
    return v128.or(within, f32x4.lt(x, minusOne));
  };
}

/** `ln(1 + x)` for 0 ≤ x ≤ 1, as softplus needs it; NaN stays. At most 1.5 ulp. */
export function log1pUnitBlock(k: Constants): (x: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [one, half, limit] = [k.f32(1), k.f32(0.5), k.f32(Math.SQRT2 - 1)] as const;
  const parts = logOfParts(k);
  return (x) => {
    const above = f.let(f32x4.gt(x, limit));
    const fraction = f.let(v128.bitselect(f32x4.sub(f32x4.mul(x, half), half), x, above));
    return parts(fraction, f.let(v128.and(one, above)));
  };
}
