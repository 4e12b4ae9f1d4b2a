import { activeBuild } from "../configure.ts";
import { HeedError } from "../errors.ts";
import { moduleOf, type Family } from "../family.ts";
import { linearMemory } from "../memory/linear-memory.ts";
import { LAYOUT, MOST_FLOATS, MOST_TASKS } from "./layout.ts";
import { moduleNumber, stopPool, workersKnowing, type Pool } from "./pool.ts";
import type { Task } from "./run-tasks.ts";

type Run = (...args: number[]) => unknown;

/** The kernels that run for a precision now, without a clock around them. */
export function kernelsFor(family: Family<object>, dtype: "float32" | "float64"): Record<string, Run> {
  return family.implementation(dtype === "float64" ? "reference" : activeBuild(), dtype) as Record<string, Run>;
}

/**
 * Tasks that the calling thread and the workers take from one counter, until none is left. There is one at a time: kernels call
 * nothing, so jobs never nest.
 */
export class Job {
  readonly #pool: Pool;
  /** Of the tasks `first … end − 1`. */
  readonly first: number;
  readonly end: number;
  /** The number of threads for which there must be scratch space. */
  readonly threads: number;

  private constructor(pool: Pool, start: number, end: number) {
    this.#pool = pool;
    this.first = start;
    this.end = end;
    this.threads = 1 + pool.size;
  }

  /** Writes as many tasks as fit, from `start` on, for all to read. `undefined`: no worker takes part who could do them. */
  static of(pool: Pool, tasks: readonly Task[], start: number): Job | undefined {
    const { words, numbers } = pool;
    let [end, at, modules] = [start, 0, 0];
    const families = new Map<Family<object>, { first: number; names: readonly string[] }>();
    for (; end < tasks.length && end - start < MOST_TASKS; end++) {
      const size = tasks[end].reduce((sum, call) => sum + 3 + call.arguments.length, 0);
      if (at + size > MOST_FLOATS) break;
      words[LAYOUT.offsets + end - start] = LAYOUT.calls + at;
      for (const { family, kernel, arguments: args, scratch } of tasks[end]) {
        let known = families.get(family);
        if (known === undefined) {
          const kernels = kernelsFor(family, "float32");
          const module = moduleOf(kernels);
          if (module === undefined) return undefined;
          const number = moduleNumber(pool, module);
          modules = Math.max(modules, number + 1);
          known = { first: number * LAYOUT.kernels, names: Object.keys(kernels) };
          families.set(family, known);
        }
        numbers[LAYOUT.calls + at++] = known.first + known.names.indexOf(kernel);
        numbers[LAYOUT.calls + at++] = args.length;
        numbers[LAYOUT.calls + at++] = scratch?.reduce((bits, index) => bits | (1 << index), 0) ?? 0;
        for (let i = 0; i < args.length; i++) numbers[LAYOUT.calls + at++] = args[i];
      }
    }
    if (end === start || workersKnowing(pool, modules) === 0) return undefined;
    words[LAYOUT.offsets + end - start] = LAYOUT.calls + at;
    words[LAYOUT.tasks] = end - start;
    words[LAYOUT.modules] = modules;
    return new Job(pool, start, end);
  }

  /**
   * Lets others take tasks from here on.
   * @param base where the threads' scratch space begins
   * @param bytes of it per thread
   */
  start(base: number, bytes: number): void {
    const { words } = this.#pool;
    const count = this.end - this.first;
    words[LAYOUT.pages] = linearMemory().buffer.byteLength / 65_536;
    words[LAYOUT.scratch] = base;
    words[LAYOUT.scratchBytes] = bytes;
    words[LAYOUT.returned] = 0;
    Atomics.store(words, LAYOUT.settled, 0);
    Atomics.store(words, LAYOUT.remaining, count);
    Atomics.add(words, LAYOUT.job, 1);
    if (Atomics.load(words, LAYOUT.asleep) > 0) Atomics.notify(words, LAYOUT.job, count - 1);
  }

  /**
   * Does the tasks that are left, `perform` those of this thread; returns when all are done.
   * @param patience seconds without news after which a worker must have been killed in the middle of a task
   */
  finish(perform: (task: number) => void, patience: number): void {
    const { words } = this.#pool;
    const count = this.end - this.first;
    let taken = 0;
    try {
      for (let left; (left = Atomics.sub(words, LAYOUT.remaining, 1)) > 0;) {
        taken++;
        perform(this.end - left);
      }
    } finally {
      // After an error nobody shall begin another task; those begun must end, since memory is reused from here on.
      const dropped = Math.max(0, Atomics.exchange(words, LAYOUT.remaining, 0));
      this.#await(count - taken - dropped, patience);
    }
    for (let i = 0; i < words[LAYOUT.returned]; i++) perform(this.first + words[LAYOUT.returnedTasks + i]);
  }

  /** Waits until workers have settled so many tasks. */
  #await(count: number, patience: number): void {
    const { words } = this.#pool;
    const sleep = performance.now() + LAYOUT.mostLookout;
    do for (let looks = 0; looks < 100; looks++) if (Atomics.load(words, LAYOUT.settled) >= count) return;
    while (performance.now() < sleep);
    if (!mayWait(words)) {
      const end = performance.now() + 1000 * patience;
      while (Atomics.load(words, LAYOUT.settled) < count) if (performance.now() > end) throw silence(patience);
      return;
    }
    Atomics.store(words, LAYOUT.callerAsleep, 1);
    for (let seconds = 0, settled; (settled = Atomics.load(words, LAYOUT.settled)) < count;) {
      if (Atomics.wait(words, LAYOUT.settled, settled, 1000) === "timed-out" && ++seconds > patience) throw silence(patience);
    }
    Atomics.store(words, LAYOUT.callerAsleep, 0);
  }
}

/** Whether this thread may sleep: the main thread of a page must not. */
function mayWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, LAYOUT.job, Atomics.load(words, LAYOUT.job) - 1, 0);
    return true;
  } catch {
    return false;
  }
}

function silence(seconds: number): HeedError {
  stopPool();
  return new HeedError(
    "threads",
    "a worker thread took a task and fell silent",
    { "seconds waited": seconds },
    "Was it killed? What was computed is incomplete. The next call starts without worker threads.",
  );
}
