import { f32x4, f64x2, i64x2, v128 } from "../assembler/index.ts";
import type { Expression, Local, V128 } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { hornerF64 } from "./polynomial.ts";

/** `(ln((1 + s) / (1 − s)) − 2s) / s³` in s², and `(e^r − 1 − r) / r²`: minimax in doubles, both within 2^-40. */
const LOG = [0.6666666667584639, 0.39999995604620553, 0.2857211115161004, 0.22176098907752068, 0.19585531410046464];
const EXP = [
  0.5000000000430228, 0.16666666785146186, 0.04166666439149868, 0.008333281602592687, 0.0013889198363822655, 0.00019909073921345167,
  2.4708101951997285e-5,
];
const BITS_OF_ROOT_HALF = 0x3fe6a09e667f3bcdn;
/** 1.5 · 2^52: adding it to a double rounds to an integer, which then stands in the low bits. */
const MAGIC = 6_755_399_441_055_744;

/**
 * `x^y` through doubles, so that y · ln x keeps its digits: correctly rounded save for ties within 2^-38.
 * Odd cases as in IEEE 754: x^0 = 1^y = 1 even for NaN, a negative base wants an integer exponent, else NaN.
 */
export function powBlock(k: Constants): (x: Local<"v128">, y: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [one, zero, signs, half] = [k.f32(1), k.f32(0), k.f32(-0), k.f32(0.5)] as const;
  const [infinity, minusInfinity] = [k.f32(Infinity), k.f32(-Infinity)] as const;
  const positivePower = powerOfPositive(k);
  return (x, y) => {
    const base = f.let(f32x4.abs(x));
    const upper = (vector: V128) => f64x2.promoteLowF32x4(vector);
    const first = f.let(positivePower(f.let(upper(base)), f.let(upper(y))));
    const second = f.let(
      positivePower(f.let(upper(f32x4.shuffle(base, base, [2, 3, 0, 1]))), f.let(upper(f32x4.shuffle(y, y, [2, 3, 0, 1])))),
    );
    const size = f32x4.shuffle(first, second, [0, 1, 4, 5]);
    const halfOfY = f.let(f32x4.mul(y, half));
    const integer = f.let(f32x4.eq(f32x4.trunc(y), y));
    const odd = v128.and(f32x4.ne(f32x4.trunc(halfOfY), halfOfY), integer);
    const signed = v128.or(size, v128.and(v128.and(x, signs), odd));
    const undefinedHere = v128.andnot(v128.and(f32x4.lt(x, zero), f32x4.gt(x, minusInfinity)), integer);
    const value = v128.or(signed, undefinedHere); // all ones is a NaN
    const endless = v128.and(f32x4.eq(base, one), f32x4.eq(f32x4.abs(y), infinity)); // (−1)^±∞
    return v128.bitselect(one, value, v128.or(endless, v128.or(f32x4.eq(y, zero), f32x4.eq(x, one))));
  };
}

/** `x^y` for two doubles x ≥ 0 that are float32 numbers, rounded to float32. */
function powerOfPositive(k: Constants): (x: Local<"v128">, y: Local<"v128">) => Expression<"v128"> {
  const { f } = k;
  const [rootHalf, one, two, ln2, zero] = [k.i64(BITS_OF_ROOT_HALF), k.f64(1), k.f64(2), k.f64(Math.LN2), k.f64(0)] as const;
  const [infinity, minusInfinity, least, most] = [k.f64(Infinity), k.f64(-Infinity), k.f64(-110), k.f64(95)] as const;
  const [log2e, magic, bias] = [k.f64(Math.LOG2E), k.f64(MAGIC), k.i64(1023n << 52n)] as const;
  const [log, exp] = [LOG.map((c) => k.f64(c)), EXP.map((c) => k.f64(c))];
  return (x, y) => {
    const exponent = f.let(i64x2.shrS(i64x2.sub(x, rootHalf), 52));
    const mantissa = f.let(i64x2.sub(x, i64x2.shl(exponent, 52)));
    const s = f.let(f64x2.div(f64x2.sub(mantissa, one), f64x2.add(mantissa, one)));
    const z = f.let(f64x2.mul(s, s));
    const fraction = f.let(f64x2.mul(s, f.maddF64(z, hornerF64(f, z, log), two)));
    const count = f64x2.convertLowI32x4S(lowWords(exponent));
    const finite = v128.bitselect(f.maddF64(count, ln2, fraction), x, f64x2.lt(x, infinity)); // ∞ and NaN give themselves
    const logarithm = v128.bitselect(minusInfinity, finite, f64x2.eq(x, zero));
    const power = f.let(f64x2.pmin(f64x2.pmax(f64x2.mul(logarithm, y), least), most));
    const shifted = f.let(f.maddF64(power, log2e, magic));
    const n = f64x2.sub(shifted, magic);
    const r = f.let(f64x2.sub(power, f64x2.mul(n, ln2)));
    const square = f.let(f64x2.mul(r, r));
    const size = f64x2.add(f.maddF64(square, hornerF64(f, r, exp), r), one);
    return f32x4.demoteF64x2Zero(f64x2.mul(size, i64x2.add(i64x2.shl(shifted, 52), bias)));
  };
}

function lowWords(pair: Local<"v128">): Expression<"v128"> {
  return f32x4.shuffle(pair, pair, [0, 2, 0, 2]);
}
