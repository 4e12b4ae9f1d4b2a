import { tensor } from "../core/construct.ts";
import { isReal, type RealDType } from "../core/dtype.ts";
import { scope } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "../operations/arithmetic.ts";
import { sum } from "../operations/sum.ts";
import { expectClose } from "./expect-close.ts";
import type { GoldenCase } from "./load-golden.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** What a case gives to an operation. Floats have gradients where the case stores them. */
export interface GoldenInputs {
  readonly inputs: Tensors;
  readonly params: Tensors;
  /** What the run computes in: for operations that make tensors of their own. */
  readonly dtype: RealDType;
}

/**
 * Throws unless an operation gives the results and gradients of a golden case, within the tolerance that the case states:
 * outside scopes and inside one. What the operation throws passes through.
 *
 * @param golden of `loadGolden`
 * @param operation computes the results by name; it may give more than the case stores
 * @param dtype float64 is held against the stored float64 results, where there are any
 */
export function expectGolden(golden: GoldenCase, operation: (given: GoldenInputs) => Tensors, dtype: RealDType = "float32"): void {
  const faults = [...outOfPlace(golden, operation, dtype)];
  scope(() => {
    faults.push(...outOfPlace(golden, operation, dtype).map((fault) => `in a scope: ${fault}`));
  });
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** A sentence for each result or gradient that is off. */
function outOfPlace(golden: GoldenCase, operation: (given: GoldenInputs) => Tensors, dtype: RealDType): string[] {
  const leaves = (tensors: Tensors, prefix: string): Tensors =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, x]) => [
        name,
        isReal(x.dtype) ? tensor(x.toTypedArray(), { shape: x.shape, dtype, requiresGrad: prefix + name in golden.gradients }) : x,
      ]),
    );
  const exact = dtype === "float64" ? { ...golden.inputs, ...golden.inputs64 } : golden.inputs;
  const [inputs, params] = [leaves(exact, ""), leaves(golden.params, "param.")];
  const results = operation({ inputs, params, dtype });

  const faults: string[] = [];
  const check = (kind: "output" | "grad", name: string, actual: Tensor | undefined, in32: Tensor, in64: Tensor | undefined) => {
    const [key, expected] = dtype === "float64" && in64 !== undefined ? [`${kind}64.${name}`, in64] : [`${kind}.${name}`, in32];
    try {
      if (actual === undefined) throw new Error("is missing");
      if (!isReal(expected.dtype) && actual.dtype !== expected.dtype)
        throw new Error(`has dtype ${actual.dtype} instead of ${expected.dtype}`);
      expectClose(actual, expected, golden.toleranceOf(key));
    } catch (error) {
      faults.push(`${key}: ${(error as Error).message}`);
    }
  };
  for (const [name, expected] of Object.entries(golden.outputs)) check("output", name, results[name], expected, golden.outputs64[name]);
  const cotangents = Object.entries(golden.cotangents);
  if (cotangents.length === 0 || faults.length > 0) return faults;

  // The stored gradients are those of the sum over results of (result * cotangent).
  const terms = cotangents.map(([name, cotangent]) =>
    sum(mul(results[name], tensor(cotangent.toTypedArray(), { shape: cotangent.shape, dtype }))),
  );
  terms.reduce((total, term) => add(total, term)).backward();
  for (const [name, expected] of Object.entries(golden.gradients)) {
    const leaf = name.startsWith("param.") ? params[name.slice("param.".length)] : inputs[name];
    check("grad", name, leaf?.grad ?? undefined, expected, golden.gradients64[name]);
  }
  return faults;
}
