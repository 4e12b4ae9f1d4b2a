/**
 * Where things lie in the memory through which threads talk, apart from the linear memory: 32-bit words, then the calls of the job
 * as 64-bit floats. Words that threads wait on or count with have a cache line (16 words) each.
 */
export interface Layout {
  /** Counts jobs and other news; workers sleep on it. */
  readonly job: number;
  /** Tasks that nobody took yet; may fall below 0. Taking one is subtracting 1 from a positive number. */
  readonly remaining: number;
  /** Tasks that workers took and are through with; the caller sleeps on it. */
  readonly settled: number;
  /** Workers that sleep, and whether the caller does. */
  readonly asleep: number;
  readonly callerAsleep: number;
  /** Tasks that workers took and could not do: how many, and (from `returnedTasks` on) which. The caller does them. */
  readonly returned: number;
  readonly returnedTasks: number;
  /** Of the job: tasks, how many modules a worker must know, pages of linear memory, where scratch space begins and its bytes per thread. */
  readonly tasks: number;
  readonly modules: number;
  readonly pages: number;
  readonly scratch: number;
  readonly scratchBytes: number;
  /** From here on: where each task's calls begin among the floats, and behind the last one, where they end. */
  readonly offsets: number;
  /**
   * From here on, for each worker a line: messages sent to it, how many modules it knows, and whether it takes part (1, once it
   * has acknowledged).
   */
  readonly workers: number;
  readonly line: number;
  /** The first 64-bit float. A call is: kernel, number of arguments, bits of the arguments that are scratch space, arguments. */
  readonly calls: number;
  /** Kernels per module, as kernels are numbered: module · this + place among its exports. */
  readonly kernels: number;
  /**
   * Milliseconds for which a thread looks out for what it waits for before it sleeps: at least, and at most. One that sleeps wakes in 5 to 30 µs,
   * which is what a small product takes.
   */
  readonly leastLookout: number;
  readonly mostLookout: number;
}

/** At most so many tasks are one job, workers one pool, and floats one job's calls. */
export const MOST_TASKS = 1024;
export const MOST_WORKERS = 63;
export const MOST_FLOATS = 16_384;

const LINE = 16;

// Marked as pure, since bundlers do not see it of sums.
export const LAYOUT: Layout = /* @__PURE__ */ (() => ({
  job: 0,
  remaining: LINE,
  settled: 2 * LINE,
  asleep: 3 * LINE,
  callerAsleep: 3 * LINE + 1,
  returned: 3 * LINE + 2,
  tasks: 4 * LINE,
  modules: 4 * LINE + 1,
  pages: 4 * LINE + 2,
  scratch: 4 * LINE + 3,
  scratchBytes: 4 * LINE + 4,
  workers: 5 * LINE,
  line: LINE,
  offsets: (5 + MOST_WORKERS) * LINE,
  returnedTasks: (5 + MOST_WORKERS) * LINE + MOST_TASKS + LINE,
  calls: ((5 + MOST_WORKERS) * LINE + 2 * (MOST_TASKS + LINE)) / 2,
  kernels: 256,
  leastLookout: 0.05,
  mostLookout: 0.4,
}))();
