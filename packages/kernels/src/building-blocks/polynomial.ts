import { f32x4 } from "../assembler/index.ts";
import type { Expression, FunctionBuilder, Local, V128 } from "../assembler/index.ts";

type Vector = Local<"v128">;

/** `c₀ + c₁ x + c₂ x² + …` in f32x4 by Horner's rule: one multiply-add per degree. */
export function horner(f: FunctionBuilder, x: Vector, coefficients: readonly Vector[]): Expression<"v128"> {
  let sum: Expression<"v128"> = coefficients.at(-1)!;
  for (let i = coefficients.length - 2; i >= 0; i--) sum = f.madd(sum, x, coefficients[i]!);
  return sum;
}

/** The same of several x, degree by degree side by side. */
export function horners(f: FunctionBuilder, xs: readonly Vector[], coefficients: readonly Vector[]): Vector[] {
  const [next, last] = [coefficients.at(-2)!, coefficients.at(-1)!];
  const sums = xs.map((x) => f.let(f.madd(last, x, next)));
  for (const c of coefficients.slice(0, -2).reverse()) sums.forEach((sum, i) => sum.set(f.madd(sum, xs[i]!, c)));
  return sums;
}

/**
 * The same as two sums, of even and of odd powers, that run side by side: half the latency for one operation more. Wins where the latency
 * of one long chain is what a loop waits for.
 * @param square x²
 */
export function hornerInPairs(f: FunctionBuilder, x: Vector, square: Vector, coefficients: readonly Vector[]): Expression<"v128"> {
  const [even, odd] = evenAndOdd(coefficients).map((some) => f.let(horner(f, square, some)));
  return f.madd(odd!, x, even!);
}

/** `hornerInPairs` of several x, side by side. */
export function hornersInPairs(f: FunctionBuilder, xs: readonly Vector[], coefficients: readonly Vector[]): Vector[] {
  const squares = xs.map((x) => f.let(f32x4.mul(x, x)));
  const [even, odd] = evenAndOdd(coefficients).map((some) => horners(f, squares, some));
  even!.forEach((sum, i) => sum.set(f.madd(odd![i]!, xs[i]!, sum)));
  return even!;
}

function evenAndOdd(coefficients: readonly Vector[]): Vector[][] {
  return [0, 1].map((first) => coefficients.filter((_, power) => power % 2 === first));
}

/** The same in f64x2. */
export function hornerF64(f: FunctionBuilder, x: Vector, coefficients: readonly Vector[]): Expression<"v128"> {
  let sum: V128 = coefficients.at(-1)!;
  for (let i = coefficients.length - 2; i >= 0; i--) sum = f.maddF64(sum, x, coefficients[i]!);
  return sum;
}
