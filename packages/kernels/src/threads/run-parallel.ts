import type { Family } from "../family.ts";
import { runTasks } from "./run-tasks.ts";

/** How a piece of work is cut up, and what each thread needs besides. */
export interface ParallelOptions {
  /** Estimated floating-point operations (or bytes moved) of all calls together: small work stays on the calling thread. */
  readonly work: number;
  /** Scratch space of each thread: its address becomes that argument of every call. */
  readonly scratch?: {
    /** Index into the arguments. */
    readonly argument: number;
    readonly bytes: number;
    /** Gives 64-byte aligned bytes that last until the calls are done. */
    readonly allocate: (bytes: number) => number;
  };
}

/**
 * Makes independent calls of one kernel, in any order and on as many threads as take part; returns when all are done.
 *
 * The calls must write different places, and be cut by shapes alone, never by the number of threads: then the bits are the
 * same with any number.
 * @param calls arguments of each call
 */
export function runParallel<K extends object>(
  family: Family<K>,
  dtype: "float32" | "float64",
  kernel: keyof K & string,
  calls: readonly (readonly number[])[],
  { work, scratch }: ParallelOptions,
): void {
  const own = scratch === undefined ? undefined : [scratch.argument];
  const tasks = calls.map((args) => [
    {
      family,
      kernel,
      arguments: scratch === undefined ? args : args.map((value, index) => (index === scratch.argument ? 0 : value)),
      scratch: own,
    },
  ]);
  runTasks(dtype, tasks, { work, scratch });
}
