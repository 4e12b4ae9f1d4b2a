import type { Expression, FunctionBuilder, V128 } from "../assembler/index.ts";
import type { Local } from "../assembler/index.ts";

/** `c₀ + c₁ x + c₂ x² + …` in f32x4 by Horner's rule: one multiply-add per degree. */
export function horner(f: FunctionBuilder, x: Local<"v128">, coefficients: readonly Local<"v128">[]): Expression<"v128"> {
  let sum: Expression<"v128"> = coefficients.at(-1)!;
  for (let i = coefficients.length - 2; i >= 0; i--) sum = f.madd(sum, x, coefficients[i]!);
  return sum;
}

/**
 * The same as two sums, of even and of odd powers, that run side by side: half the latency for one operation more. Wins where the latency
 * of one long chain is what a loop waits for.
 * @param square x²
 */
export function hornerInPairs(
  f: FunctionBuilder,
  x: Local<"v128">,
  square: Local<"v128">,
  coefficients: readonly Local<"v128">[],
): Expression<"v128"> {
  const [even, odd] = [0, 1].map((first) =>
    f.let(
      horner(
        f,
        square,
        coefficients.filter((_, power) => power % 2 === first),
      ),
    ),
  );
  return f.madd(odd!, x, even!);
}

/** The same in f64x2. */
export function hornerF64(f: FunctionBuilder, x: Local<"v128">, coefficients: readonly Local<"v128">[]): Expression<"v128"> {
  let sum: V128 = coefficients.at(-1)!;
  for (let i = coefficients.length - 2; i >= 0; i--) sum = f.maddF64(sum, x, coefficients[i]!);
  return sum;
}
