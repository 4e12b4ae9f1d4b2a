import type { Family } from "../family.ts";
import { moved, runTasks } from "./run-tasks.ts";

/** How a piece of work is cut up, and what each thread needs besides. */
export interface ParallelOptions {
  /** Estimated floating-point operations (or bytes moved) of all calls together: small work stays on the calling thread. */
  readonly work: number;
  /** Scratch space of each thread: its address becomes that argument of every call. */
  readonly scratch?: {
    /** Index into the arguments, which are 0 there. */
    readonly argument: number;
    readonly bytes: number;
    /** Gives 64-byte aligned bytes that last until the calls are done. */
    readonly allocate: (bytes: number) => number;
  };
  /** As of `runTasks`. */
  readonly lingers?: boolean;
}

/**
 * Makes independent calls of one kernel, in any order and on as many threads as take part; returns when all are done, unless they linger.
 *
 * The calls must write different places, and be cut by shapes alone, or so that no bit depends on how: then the bits are the same with
 * any number of threads.
 * @param calls arguments of each call
 */
export function runParallel<K extends object>(
  family: Family<K>,
  dtype: "float32" | "float64",
  kernel: keyof K & string,
  calls: readonly (readonly number[])[],
  { work, scratch, lingers }: ParallelOptions,
): void {
  const own = scratch === undefined ? undefined : [scratch.argument];
  if (calls.length === 1) {
    const run = family.on(dtype)[kernel] as (...args: readonly number[]) => void;
    run(...(own === undefined ? calls[0] : moved(calls[0], own, scratch!.allocate(scratch!.bytes))));
    return;
  }
  const tasks = calls.map((args) => [{ family, kernel, arguments: args, scratch: own }]);
  runTasks(dtype, tasks, { work, scratch, lingers });
}

export type RunParallel = typeof runParallel;
