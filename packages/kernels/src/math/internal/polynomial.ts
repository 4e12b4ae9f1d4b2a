/** `c₀ + c₁ x + c₂ x² + …`, by Horner's rule. */
export function polynomial(x: number, coefficients: readonly number[]): number {
  let i = coefficients.length - 1;
  let sum = coefficients[i]!;
  while (--i >= 0) sum = sum * x + coefficients[i]!;
  return sum;
}
