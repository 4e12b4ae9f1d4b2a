import { erfc, exp } from "../math/index.ts";

/** x Φ(x): the lower tail keeps its digits, and −∞ gives 0. */
export function geluErf(x: number): number {
  return Math.max(x, 0) - 0.5 * within(Math.abs(x), 1e4) * erfc(Math.abs(x) * Math.SQRT1_2);
}

/** ½ x (1 + tanh(geluInner(x))) */
export function geluTanh(x: number): number {
  return Math.max(x, -1e4) * logistic(2 * geluInner(x));
}

export const geluInner = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);

/** From e^-|x|, so that neither tail loses digits. */
export function logistic(x: number): number {
  const e = exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

export const within = (x: number, limit: number): number => (x > limit ? limit : x < -limit ? -limit : x);
