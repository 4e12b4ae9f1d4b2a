import { grad, recordMany } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { sum } from "./sum.ts";

/** A function of tensors, written with operations. */
export type Dense = (...inputs: Tensor[]) => readonly (Tensor | undefined)[];

/** Gradients of Σ ⟨result, cotangent⟩ by the inputs; results without a cotangent stay out. Differentiates again. */
export function denseGradient(dense: Dense, inputs: readonly Tensor[], cotangents: readonly (Tensor | undefined)[]): Tensor[] {
  return grad((at: Tensor[]) => {
    let total: Tensor | undefined;
    dense(...at).forEach((result, i) => {
      const cotangent = cotangents[i];
      if (result === undefined || cotangent === undefined) return;
      const part = sum(mul(result, cotangent));
      total = total === undefined ? part : add(total, part);
    });
    return total!;
  })([...inputs]);
}

/**
 * Records what a fused gradient kernel found, so that a second derivative through it is that of the dense definition.
 *
 * @param name of the gradient, for messages
 * @param gradients by the inputs, in their order; undefined where none was asked for
 * @param inputs of the fused operation that it differentiates by
 * @param cotangents of its results
 * @param dense the operation written with operations: same inputs, same results
 */
export function recordFusedGradient(
  name: string,
  gradients: readonly (Tensor | undefined)[],
  inputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  dense: Dense,
): void {
  const asked = gradients.flatMap((gradient, i) => (gradient === undefined ? [] : [i]));
  const all = [...inputs, ...cotangents];
  const again: Dense = (...at) => {
    const found = denseGradient(dense, at.slice(0, inputs.length), at.slice(inputs.length));
    return asked.map((i) => found[i]);
  };
  recordMany(
    name,
    asked.map((i) => gradients[i]!),
    all,
    all,
    (second) => denseGradient(again, all, second),
  );
}
