import { add, mul, sum, tensor, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, type GoldenCase } from "@heed/tensor/testing";
import type { Operation, Tensors } from "./operation.ts";

/** One way to run a case: each build in float32, and float64. */
interface Way {
  readonly name: string;
  readonly dtype: "float32" | "float64";
  use<T>(fn: () => T): T;
}

export const ways: readonly Way[] = [
  ...eachBackend().map((backend): Way => ({ name: backend.name, dtype: "float32", use: (fn) => backend.use(fn) })),
  { name: "float64", dtype: "float64", use: (fn) => fn() },
];

/** Runs a case every way, and returns a sentence for each result or gradient that is off. Whatever the operation throws passes through. */
export function runCase(golden: GoldenCase, operation: Operation): string[] {
  return ways.flatMap((way) => way.use(() => runOnce(golden, operation, way)));
}

function runOnce(golden: GoldenCase, operation: Operation, { name, dtype }: Way): string[] {
  const cotangents = Object.entries(golden.cotangents);
  const leaves = (tensors: Tensors, prefix: string): Tensors =>
    Object.fromEntries(
      Object.entries(tensors).map(([key, x]) => {
        if (x.dtype !== "float32" && x.dtype !== "float64") return [key, x];
        return [key, tensor(x.toTypedArray(), { shape: x.shape, dtype, requiresGrad: prefix + key in golden.gradients })];
      }),
    );
  const [inputs, params] = [leaves(golden.inputs, ""), leaves(golden.params, "param.")];
  const results = operation({ inputs, params, expected: golden.outputs }, golden.options as never);

  const faults: string[] = [];
  const check = (what: string, actual: Tensor | undefined, in32: Tensor, in64: Tensor | undefined) => {
    const [key, expected] = dtype === "float64" && in64 !== undefined ? [what.replace(/^(output|grad)/, "$164"), in64] : [what, in32];
    try {
      if (actual === undefined) throw new Error("is missing");
      expectClose(actual, expected, golden.toleranceOf(key));
    } catch (error) {
      faults.push(`${name}: ${key}: ${(error as Error).message}`);
    }
  };
  for (const [key, expected] of Object.entries(golden.outputs)) check(`output.${key}`, results[key], expected, golden.outputs64[key]);
  if (cotangents.length === 0 || faults.length > 0) return faults;

  // The stored gradients are those of the sum over results of (result * cotangent).
  const terms = cotangents.map(([key, cotangent]) =>
    sum(mul(results[key]!, tensor(cotangent.toTypedArray(), { shape: cotangent.shape, dtype }))),
  );
  terms.reduce((total, term) => add(total, term)).backward();
  for (const [key, expected] of Object.entries(golden.gradients)) {
    const leaf = key.startsWith("param.") ? params[key.slice("param.".length)] : inputs[key];
    check(`grad.${key}`, leaf?.grad ?? undefined, expected, golden.gradients64[key]);
  }
  return faults;
}
