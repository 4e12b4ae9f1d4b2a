import { scale } from "./internal/bits.ts";
import { LN2_HIGH, LN2_LOW } from "./internal/constants.ts";
import { polynomial } from "./internal/polynomial.ts";

/** `(e^r − 1 − r) / r²` for |r| ≤ ln2 / 2, minimax: e^r − 1 within 2^-61. */
const EXP = [
  0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321653, 0.0013888888888962572, 0.00019841269886074783, 2.4801587172275643e-5,
  2.755724425296564e-6, 2.755740274644727e-7, 2.510902485804768e-8, 2.0875336095064125e-9,
];

/** `e^x`, the same bits on every engine. Error below 0.8 ulp. */
export function exp(x: number): number {
  return expOfSum(x, 0);
}

/** `e^(x + low)` for a small `low`, rounded once at the end. */
export function expOfSum(x: number, low: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const high = x - k * LN2_HIGH; // exact
  const rest = low - k * LN2_LOW;
  const r = high + rest;
  return scale(1 + (r + (rest - (r - high) + r * r * polynomial(r, EXP))), k);
}

/** `e^x − 1` without cancellation near 0. Error below 1.3 ulp. */
export function expm1(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x > 710) return Infinity;
  if (x < -40) return -1;
  if (Math.abs(x) < 2 ** -54) return x;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const high = x - k * LN2_HIGH;
  const rest = -k * LN2_LOW;
  const r = high + rest;
  const tail = rest - (r - high) + r * r * polynomial(r, EXP);
  if (k === 0) return r + tail;
  if (k > 56) return scale(1 + (r + tail), k) - 1;
  // 2^k (e^r − 2^-k). What 1 − 2^-k may lose is far below the result's last bit.
  return scale(1, k) * (1 - scale(1, -k) + r + tail);
}
