import { eachBackend, expectGolden, type GoldenCase } from "@heed/tensor/testing";
import { Pending, type Operation } from "./operation.ts";

/** One way to run a case: each build in float32, and float64; each outside scopes and inside one. */
interface Way {
  readonly name: string;
  readonly dtype: "float32" | "float64";
  use<T>(fn: () => T): T;
}

export const ways: readonly Way[] = [
  ...eachBackend().map((backend): Way => ({ name: backend.name, dtype: "float32", use: (fn) => backend.use(fn) })),
  { name: "float64", dtype: "float64", use: (fn) => fn() },
];

/** Runs a case every way, and returns a sentence for each way that is off. `Pending` passes through. */
export function runCase(golden: GoldenCase, operation: Operation): string[] {
  return ways.flatMap(({ name, dtype, use }) => {
    try {
      use(() => expectGolden(golden, (given) => operation({ ...given, expected: golden.outputs }, golden.options as never), dtype));
      return [];
    } catch (error) {
      if (error instanceof Pending) throw error;
      // A result that is off says all in its message; anything else may be a bug of ours, so where it came from matters.
      const { message, stack } = error as Error;
      return [`${name}: ${/^(in a scope: )?(output|grad)/.test(message) ? message : (stack ?? message)}`];
    }
  });
}
