import { expOfSum } from "./exp.ts";
import { splitExponent } from "./internal/bits.ts";
import { LN2_HIGH, LN2_LOW } from "./internal/constants.ts";
import { exactProduct, exactSum, product, sum } from "./internal/double-double.ts";
import type { DoubleDouble } from "./internal/double-double.ts";
import { polynomial } from "./internal/polynomial.ts";

/** `(ln((1 + s) / (1 − s)) − 2s − ⅔ s³) / s⁵` in s², minimax: the whole within 2^-66. */
const LOG = [
  0.4000000000000227, 0.28571428570091895, 0.2222222252135313, 0.18181784237147267, 0.15386763525924466, 0.1325666898180926,
  0.1319774876989109,
];
const TWO_THIRDS: DoubleDouble = [0.6666666666666666, 3.700743415417188e-17];

/**
 * `x^y`, the same bits on every engine. Error below 1 ulp.
 * Odd cases as in IEEE 754 and C (JavaScript's own differ): x^0 = 1 and 1^y = 1 even for NaN; (−1)^±∞ = 1; a negative base
 * wants an integer exponent, else NaN.
 */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  const base = Math.abs(x);
  if (Math.abs(y) === Infinity) {
    if (base === 1) return 1;
    return base > 1 === y > 0 ? Infinity : 0;
  }
  const integer = Math.floor(y) === y;
  if (x < 0 && base !== Infinity && !integer) return NaN;
  const negative = (x < 0 || Object.is(x, -0)) && integer && Math.floor(y / 2) * 2 !== y;
  const size = powOfPositive(base, y);
  return negative ? -size : size;
}

function powOfPositive(x: number, y: number): number {
  if (x === 0 || x === Infinity) return (x === 0) === y > 0 ? 0 : Infinity;
  if (x === 1) return 1;
  const [high, low] = logOf(x);
  const estimate = y * high;
  if (estimate > 710) return Infinity;
  if (estimate < -746) return 0;
  const [exponent, rest] = exactProduct(y, high);
  return expOfSum(exponent, rest + y * low);
}

/** ln x as a sum of two doubles: y · ln x may be 700 times as large as the error that e^… forgives. */
function logOf(x: number): DoubleDouble {
  const [m, k] = splitExponent(x);
  const f = m - 1;
  const t = 2 + f;
  const tLow = f - (t - 2);
  const quotient = f / t;
  const [back, backLow] = exactProduct(quotient, t);
  const s: DoubleDouble = [quotient, (f - back - backLow - quotient * tLow) / t];
  const square = product(s, s);
  const cube = product(s, square);
  const fifth = cube[0] * square[0] * polynomial(square[0], LOG);
  const series = sum(product(cube, TWO_THIRDS), [fifth, 0]);
  return sum(exactSum(k * LN2_HIGH, k * LN2_LOW), sum([2 * s[0], 2 * s[1]], series));
}
