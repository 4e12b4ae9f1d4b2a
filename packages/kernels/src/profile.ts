/** Time and calls of one kernel. */
export interface KernelTime {
  readonly family: string;
  readonly kernel: string;
  calls: number;
  milliseconds: number;
}

let times: Map<string, KernelTime> | undefined;

/** Whether `profileKernels` is open. */
export function isProfiling(): boolean {
  return times !== undefined;
}

/**
 * Runs `fn` and tells how long each kernel took, the slowest first. What is not in the rows went to everything around the
 * kernels: shapes, copies in and out, collection of garbage. Each timed call costs a fraction of a microsecond more.
 */
export function profileKernels<T>(fn: () => T): { result: T; milliseconds: number; kernels: KernelTime[] } {
  const outer = times;
  const own = (times = new Map<string, KernelTime>());
  const start = performance.now();
  try {
    const result = fn();
    const milliseconds = performance.now() - start;
    return { result, milliseconds, kernels: [...own.values()].sort((a, b) => b.milliseconds - a.milliseconds) };
  } finally {
    times = outer;
  }
}

/** The same kernels, each with a clock around it. */
export function timed<K extends object>(family: string, kernels: K): K {
  // Not over the kernels themselves: the exports of a WebAssembly module are frozen, and a proxy may not disguise them.
  return new Proxy({} as K, {
    get(_, kernel) {
      const run = Reflect.get(kernels, kernel) as unknown;
      if (typeof run !== "function" || typeof kernel !== "string") return run;
      return (...args: number[]): unknown => {
        const start = performance.now();
        try {
          return (run as (...args: number[]) => unknown)(...args);
        } finally {
          note(family, kernel, performance.now() - start);
        }
      };
    },
  });
}

function note(family: string, kernel: string, milliseconds: number): void {
  const key = `${family}.${kernel}`;
  const entry = times?.get(key);
  if (entry === undefined) times?.set(key, { family, kernel, calls: 1, milliseconds });
  else {
    entry.calls++;
    entry.milliseconds += milliseconds;
  }
}
