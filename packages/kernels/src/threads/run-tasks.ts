import type { Family } from "../family.ts";
import { isProfiling, nameOf, noteTogether } from "../profile.ts";
import { Job, kernelsFor } from "./job.ts";
import { linger, settlePending } from "./pending.ts";
import { poolFor } from "./pool-for.ts";

/** The arguments, those at `indices` moved by `base`. */
export function moved(args: readonly number[], indices: readonly number[], base: number): number[] {
  const all = args.slice();
  for (const index of indices) all[index] += base;
  return all;
}

/** One call of a kernel, as part of a task. */
export interface KernelCall {
  readonly family: Family<object>;
  readonly kernel: string;
  readonly arguments: readonly number[];
  /** Arguments, by index, that are offsets into the thread's scratch space. */
  readonly scratch?: readonly number[];
}

/** Calls of kernels, one after the other on one thread. */
export type Task = readonly KernelCall[];

export interface TaskOptions {
  /** Estimated floating-point operations (or bytes moved) of all tasks together: small work stays on the calling thread. */
  readonly work: number;
  /** Scratch space of each thread: how much, and what gives 64-byte aligned bytes that last until the tasks are done. */
  readonly scratch?: { readonly bytes: number; readonly allocate: (bytes: number) => number };
  /**
   * Whether this may return while workers still work. Kernels and views of linear memory that are fetched later wait for them; so the
   * caller must not go on with any that it fetched before. Default false.
   */
  readonly lingers?: boolean;
}

/**
 * Does independent tasks in any order, on as many threads as take part; returns when all are done. Otherwise as `runParallel`,
 * which makes each task one call of the same kernel. An error of work that lingers is thrown where it is waited for.
 */
export function runTasks(dtype: "float32" | "float64", tasks: readonly Task[], { work, scratch, lingers = false }: TaskOptions): void {
  const pool = dtype === "float32" && tasks.length > 1 ? poolFor(work, lingers) : undefined;
  const bytes = scratch === undefined ? 0 : Math.ceil(scratch.bytes / 64) * 64;
  settlePending();
  let job = pool === undefined ? undefined : Job.of(pool, tasks, 0);
  const base = scratch === undefined ? 0 : scratch.allocate(job === undefined ? bytes : job.threads * bytes);
  const profile = isProfiling() ? { start: performance.now(), spent: new Map<string, number>() } : undefined;
  const perform = (task: number): void => {
    for (const call of tasks[task]) {
      const start = profile === undefined ? 0 : performance.now();
      const { arguments: args, scratch: own } = call;
      const run = kernelsFor(call.family, dtype)[call.kernel];
      run(...(own === undefined ? args : moved(args, own, base)));
      profile?.spent.set(nameOf(call), (profile.spent.get(nameOf(call)) ?? 0) + performance.now() - start);
    }
  };
  let next = 0;
  for (; job !== undefined; job = next < tasks.length ? Job.of(pool!, tasks, next) : undefined) {
    const { end } = job;
    const finish = job.finish.bind(job, perform, 60 + work / 1e8);
    job.start(base, bytes);
    if (lingers && end === tasks.length && profile === undefined) return linger(finish);
    finish();
    next = end;
  }
  for (; next < tasks.length; next++) perform(next);
  if (profile !== undefined) noteTogether(performance.now() - profile.start, profile.spent, tasks.flat());
}
