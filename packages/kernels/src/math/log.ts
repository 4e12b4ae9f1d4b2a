import { splitExponent } from "./internal/bits.ts";
import { LN2_HIGH, LN2_LOW } from "./internal/constants.ts";
import { polynomial } from "./internal/polynomial.ts";

/** `(ln((1 + s) / (1 − s)) − 2s) / s³` in s², for the mantissas between √½ and √2, minimax within 2^-59. */
const LOG = [
  0.6666666666666735, 0.3999999999941108, 0.2857142874326603, 0.22222198475682856, 0.1818356975334816, 0.15313902953024489,
  0.14797510179747114,
];

/** The natural logarithm, the same bits on every engine. −∞ at 0, NaN below. Error below 1 ulp. */
export function log(x: number): number {
  if (!(x > 0) || x === Infinity) return x === 0 ? -Infinity : x > 0 ? x : NaN;
  const [m, k] = splitExponent(x);
  return logOf(m - 1, k, 0);
}

/** `ln(1 + x)` without cancellation near 0. −∞ at −1, NaN below. Error below 1 ulp. */
export function log1p(x: number): number {
  if (!(x > -1) || x === Infinity) return x === -1 ? -Infinity : x > 0 ? x : NaN;
  if (Math.abs(x) < 2 ** -54) return x;
  if (x > -0.29 && x < 0.41) return logOf(x, 0, 0);
  const u = 1 + x;
  const lost = x > 1 ? 1 - (u - x) : x - (u - 1);
  const [m, k] = splitExponent(u);
  return logOf(m - 1, k, lost / u);
}

/** `k ln 2 + ln(1 + f) + low` */
function logOf(f: number, k: number, low: number): number {
  // With s = f / (2 + f): ln(1 + f) = 2s + s·R(s²) = f − f²/2 + s (f²/2 + R), whose large terms are exact or small.
  const s = f / (2 + f);
  const z = s * s;
  const half = 0.5 * f * f;
  return k * LN2_HIGH + (f - (half - (s * (half + z * polynomial(z, LOG)) + (k * LN2_LOW + low))));
}
