import type { Family } from "../family.ts";
import type { ParallelOptions, RunParallel } from "./run-parallel.ts";

let shared: RunParallel | undefined;

/** From now on `runWhereAsked` is that. */
export function askForThreads(run: RunParallel): void {
  shared = run;
}

/**
 * `runParallel` once `configure` was called, and until then the same calls on this thread alone: for pages that cannot afford to carry what starts
 * and feeds threads unless somebody asks for it. The bits are the same.
 */
export const runWhereAsked: RunParallel = (family, dtype, kernel, calls, options) => {
  (shared ?? runHere)(family, dtype, kernel, calls, options);
};

function runHere<K extends object>(
  family: Family<K>,
  dtype: "float32" | "float64",
  kernel: keyof K & string,
  calls: readonly (readonly number[])[],
  { scratch }: ParallelOptions,
): void {
  const run = family.on(dtype)[kernel] as (...args: readonly number[]) => void;
  const own = scratch?.allocate(scratch.bytes);
  for (const args of calls) run(...(own === undefined ? args : args.map((value, index) => (index === scratch!.argument ? own : value))));
}
