import { expOfSum } from "./exp.ts";
import { withoutLowWord } from "./internal/bits.ts";
import { polynomial } from "./internal/polynomial.ts";

/** `erf(x) / x − 1` in x², 0 ≤ x ≤ 1, minimax within 2^-62. */
const ERF = [
  0.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.026866170645072896, 0.005223977624780867, -0.0008548326978742052,
  0.0001205533103688895, -1.4925593506540704e-5, 1.6460972810247708e-6, -1.6350025140912135e-7, 1.4657879238739532e-8,
  -1.136566346044511e-9, 5.945257284532827e-11,
];
/** `e^(x²) erfc(x)` for 1 ≤ x ≤ 28 as a quotient whose terms are all positive, within 2^-61. */
const TAIL_OVER = [
  0.9999999973274035, 2.3454317116459573, 2.709369148530199, 1.9913641925190873, 1.0193248692061958, 0.37629691677349736,
  0.10048875427522858, 0.018871563089315608, 0.0022967816888595843, 0.000143418746618097,
];
const TAIL_UNDER = [
  1, 3.4738108488613615, 5.629145102165826, 5.621615620988116, 3.84667900972147, 1.8937266512805848, 0.6835663053553518,
  0.18014714925141823, 0.03357607622536243, 0.004070939549105485, 0.0002542031097353058,
];

/** The error function 2/√π ∫₀ˣ e^(−t²) dt, the same bits on every engine. Error below 1 ulp. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 1) return x + x * polynomial(x * x, ERF);
  if (size > 6) return x > 0 ? 1 : -1;
  return x > 0 ? 1 - tail(x) : x < 0 ? tail(-x) - 1 : NaN;
}

/** 1 − erf(x) without cancellation, down to the smallest numbers (x = 27). Error below 16 ulp of a normal result. */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (size < 0.5) return 1 - erf(x);
  if (size < 1) return x > 0 ? 1 - x - x * polynomial(x * x, ERF) : 1 - erf(x);
  if (x > 0) return tail(x);
  return x < 0 ? 2 - tail(-x) : NaN;
}

/** erfc(x) for x ≥ 1 */
function tail(x: number): number {
  if (x > 27.5) return 0;
  const part = withoutLowWord(x); // its square is exact
  return expOfSum(-part * part, (part - x) * (part + x)) * (polynomial(x, TAIL_OVER) / polynomial(x, TAIL_UNDER));
}
