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
  /** As of `runTasks`. */
  readonly lingers?: boolean;
}

/**
 * Makes independent calls of one kernel, in any order and on as many threads as take part; returns when all are done.
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
  if (calls.length === 1) {
    const run = family.on(dtype)[kernel] as (...args: readonly number[]) => void;
    run(...(scratch === undefined ? calls[0] : replaced(calls[0], scratch.argument, scratch.allocate(scratch.bytes))));
    return;
  }
  const tasks = calls.map((args) => [
    scratch === undefined
      ? { family, kernel, arguments: args }
      : { family, kernel, arguments: replaced(args, scratch.argument, 0), scratch: [scratch.argument] },
  ]);
  runTasks(dtype, tasks, { work, scratch, lingers });
}

function replaced(args: readonly number[], index: number, value: number): number[] {
  const copy = [...args];
  copy[index] = value;
  return copy;
}

export type RunParallel = typeof runParallel;
