import { f32x4, i32x4, v128 } from "../assembler/index.ts";
import type { Expression, Local, V128 } from "../assembler/index.ts";
import type { Constants } from "./constants.ts";
import { horner, hornerInPairs } from "./polynomial.ts";

/** `(e^r − 1 − r) / r²`, |r| ≤ ln2 / 2: minimax for e^r − 1, within 2^-26 (0.2 ulp), so that `expm1` can use it too. */
const EXP = [0.4999999701976776, 0.1666654348373413, 0.04166720062494278, 0.008366547524929047, 0.001388251781463623];

/** ln 2 in two parts; the first has ten bits, so that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -0.00021219444005469057;

/** 1.5 · 2^23: adding it rounds to an integer, which then stands in the low bits. Valid for |x| < 2^22. */
const MAGIC = 12_582_912;
/** The same, with the exponent of 1 in it: its low bits are the exponent field of the power of two. */
const MAGIC_EXPONENT = MAGIC + 127;
/** `2^f`, |f| ≤ ½, within 2^-28. */
const EXP2 = [
  1, 0.6931471824645996, 0.24022647738456726, 0.05550331994891167, 0.00961843878030777, 0.0013399003073573112, 0.00015353258640971035,
];
const EXPONENT_OF_ONE = 127 << 23;

interface Reduced {
  /** n + MAGIC, in which the low bits are the integer n */
  readonly shifted: Local<"v128">;
  /** e^r − 1 */
  readonly fraction: Local<"v128">;
}

/** x = n ln 2 + r with |r| ≤ ln2 / 2, and e^r − 1. */
function reduction(k: Constants): (x: Local<"v128">) => Reduced {
  const { f } = k;
  const [log2e, magic, high, lowPart] = [k.f32(Math.LOG2E), k.f32(MAGIC), k.f32(LN2_HIGH), k.f32(LN2_LOW)] as const;
  const coefficients = EXP.map((c) => k.f32(c));
  return (x) => {
    const shifted = f.let(f.madd(x, log2e, magic));
    const n = f.let(f32x4.sub(shifted, magic));
    const r = f.let(f.nmadd(n, high, x)); // exact, fused or not
    r.set(f.nmadd(n, lowPart, r));
    const square = f.let(f32x4.mul(r, r));
    const fraction = f.let(f.madd(square, horner(f, r, coefficients), r));
    return { shifted, fraction };
  };
}

/** `e^x` over the whole range: gradual underflow to 0, overflow to ∞, NaN stays. At most 1.2 ulp. */
export function expBlock(k: Constants): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const [least, most, one] = [k.f32(-104), k.f32(89), k.f32(1)] as const; // e^-104 rounds to 0, e^89 to ∞
  const [bias, magicBits] = [k.i32(EXPONENT_OF_ONE), k.f32(MAGIC)] as const;
  const reduce = reduction(k);
  return (x) => {
    const bounded = f.let(f32x4.pmin(f32x4.pmax(x, least), most)); // x first keeps NaN
    const { shifted, fraction } = reduce(bounded);
    // 2^n in two factors: n lies between −151 and 129, and one exponent field holds less.
    const n = f.let(i32x4.sub(shifted, magicBits));
    const half = f.let(i32x4.shrS(n, 1));
    const first = i32x4.add(i32x4.shl(half, 23), bias);
    const second = f.let(i32x4.add(i32x4.shl(i32x4.sub(n, half), 23), bias));
    return f32x4.mul(f32x4.mul(f32x4.add(fraction, one), first), second);
  };
}

/**
 * `e^x` for x ≤ 0 (up to 88 in fact) with all digits, as sigmoid and its kin want it: at most 1.1 ulp.
 * Results below 2^-126 become exactly 0, also that of −∞; NaN stays.
 */
export function decayBlock(k: Constants): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const [least, one, bias] = [k.f32(LEAST_EXPONENT), k.f32(1), k.i32(EXPONENT_OF_ONE)] as const;
  const reduce = reduction(k);
  return (x) => {
    const bounded = f.let(f32x4.pmax(x, least));
    const { shifted, fraction } = reduce(bounded);
    // A factor, not a sum of exponents: a NaN with any payload stays a NaN.
    return f32x4.mul(f32x4.add(fraction, one), i32x4.add(i32x4.shl(shifted, 23), bias));
  };
}
/** −127 ln 2: there the exponent field reaches 0, so that the factor, and so the result, is exactly 0. */
const LEAST_EXPONENT = -88.02969193111305;

/**
 * `e^(factor · x)` for factor · x ≤ 0, the fast form, as softmax wants it: exact at 0, at most (2 + |factor · x|) ulp, so never more
 * than 2^-23 away from the value. Results below 2^-126 become exactly 0, also that of −∞; NaN stays.
 * @param bounded the caller promises −88.3 ≤ factor · x
 */
export function fastDecayBlock(k: Constants, factor = 1, bounded = false): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const [log2e, magic] = [k.f32(factor * Math.LOG2E), k.f32(MAGIC_EXPONENT)] as const;
  const least = bounded ? undefined : k.f32(LEAST_EXPONENT / factor);
  const coefficients = EXP2.map((c) => k.f32(c));
  return (x) => {
    const t = f.let(least === undefined ? x : factor > 0 ? f32x4.pmax(x, least) : f32x4.pmin(x, least));
    const fraction = f.local("v128");
    const shifted = f.local("v128");
    if (f.build !== "simd") {
      shifted.set(f.madd(t, log2e, magic));
      fraction.set(f.madd(t, log2e, f32x4.sub(magic, shifted)));
    } else {
      t.set(f32x4.mul(t, log2e));
      shifted.set(f32x4.add(t, magic));
      fraction.set(f32x4.sub(t, f32x4.sub(shifted, magic)));
    }
    // Where a multiply-add is two operations, one chain of them would take twice as long.
    const power =
      f.build !== "simd"
        ? horner(f, fraction, coefficients)
        : hornerInPairs(f, fraction, f.let(f32x4.mul(fraction, fraction)), coefficients);
    return f32x4.mul(power, i32x4.shl(shifted, 23));
  };
}

/** `(2^f − 1) / f`, |f| ≤ ½, such that 2^f is within 2^-23.3, and exact at 0. */
const SHORT_EXP2 = [0.6931470036506653, 0.24022246897220612, 0.0555071085691452, 0.009671291336417198, 0.0013269521296024323];

/**
 * `2^(scale · x)` with a polynomial one degree shorter, as streaming attention wants it: exact where `scale · x` is an integer, else within 2 ulp (of the rounded
 * product's power, where a multiply-add is two operations). Results below 2^-126 become exactly 0, also that of −∞, and those above 2^127 are 2^127, up to
 * the rounding of 127 / scale; NaN stays. `scale` is at least 2^-100.
 */
export function powerOfTwoBlock(k: Constants, scale: Local<"v128">): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const magic = k.f32(MAGIC_EXPONENT);
  const limit = (t: number): Local<"v128"> => f.let(f32x4.div(k.f32(t), scale));
  const [least, most] = [limit(-127), limit(127)] as const;
  const coefficients = SHORT_EXP2.map((c) => k.f32(c));
  // A statement a step: so chains that are written side by side also run so.
  return (x) => {
    const rest = f.let(f32x4.pmin(f32x4.pmax(x, least), most));
    const factor = f.let(f.madd(rest, scale, magic));
    const power = f.let(f32x4.sub(magic, factor));
    rest.set(f.madd(rest, scale, power));
    factor.set(i32x4.shl(factor, 23));
    power.set(coefficients.at(-1)!);
    for (const c of coefficients.slice(0, -1).reverse()) power.set(f.madd(power, rest, c));
    rest.set(f32x4.mul(rest, factor));
    return f.madd(power, rest, factor);
  };
}

/** `e^x − 1` for x ≤ 44, without cancellation near 0; −1 far below. At most 2 ulp. */
export function expm1Block(k: Constants): (x: V128) => Expression<"v128"> {
  const { f } = k;
  const [least, one, bias] = [k.f32(-25), k.f32(1), k.i32(EXPONENT_OF_ONE)] as const;
  const reduce = reduction(k);
  return (x) => {
    const bounded = f.let(f32x4.pmax(x, least));
    const { shifted, fraction } = reduce(bounded);
    const factor = f.let(i32x4.add(i32x4.shl(shifted, 23), bias));
    return f.madd(factor, fraction, f32x4.sub(factor, one));
  };
}

/** A vector of one sign bit per lane: `and` with it gives the signs, `andnot` the sizes. */
export function signBits(k: Constants): Local<"v128"> {
  return k.f32(-0);
}

/** `size` with the sign of `x`, where `size` ≥ 0. */
export function withSignOf(k: Constants, size: V128, x: V128): Expression<"v128"> {
  return v128.or(size, v128.and(x, signBits(k)));
}
