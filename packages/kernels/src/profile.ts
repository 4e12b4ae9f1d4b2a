import { setClock } from "./clock.ts";
import { settlePending } from "./threads/pending.ts";

/** Time and calls of one kernel. */
export interface KernelTime {
  readonly family: string;
  readonly kernel: string;
  calls: number;
  milliseconds: number;
}

/** What is told of a call: enough to count its work. */
export type KernelCallListener = (family: string, kernel: string, args: readonly number[]) => void;

let times: Map<string, KernelTime> | undefined;
let listener: KernelCallListener | undefined;

/** Whether `profileKernels` is open. */
export function isProfiling(): boolean {
  return times !== undefined;
}

/**
 * Runs `fn` and tells how long each kernel took, the slowest first. What is not in the rows went to everything around the
 * kernels: shapes, copies in and out, collection of garbage. Each timed call costs a fraction of a microsecond more.
 *
 * @param onCall hears of every call, after it and outside its time: arguments tell sizes, and so floating-point operations
 */
export function profileKernels<T>(fn: () => T, onCall?: KernelCallListener): { result: T; milliseconds: number; kernels: KernelTime[] } {
  settlePending();
  const outer = { times, listener };
  const own = (times = new Map<string, KernelTime>());
  listener = onCall;
  setClock(timed);
  const start = performance.now();
  try {
    const result = fn();
    const milliseconds = performance.now() - start;
    return { result, milliseconds, kernels: [...own.values()].sort((a, b) => b.milliseconds - a.milliseconds) };
  } finally {
    ({ times, listener } = outer);
    if (times === undefined) setClock(undefined);
  }
}

const clocked = /* @__PURE__ */ new WeakMap<object, object>();

/** The same kernels, each with a clock around it. */
function timed<K extends object>(family: string, kernels: K): K {
  let own = clocked.get(kernels) as K | undefined;
  if (own === undefined) {
    // A copy: the exports of a WebAssembly module are frozen.
    own = Object.fromEntries(
      Object.entries(kernels).map(([name, kernel]) => [
        name,
        typeof kernel === "function" ? clock(family, name, kernel as Kernel) : (kernel as unknown),
      ]),
    ) as K;
    clocked.set(kernels, own);
  }
  return own;
}

type Kernel = (...args: number[]) => unknown;

function clock(family: string, name: string, kernel: Kernel): Kernel {
  return (...args) => {
    const start = performance.now();
    try {
      return kernel(...args);
    } finally {
      note(family, name, performance.now() - start);
      listener?.(family, name, args);
    }
  };
}

/**
 * Notes calls that several threads made together in `milliseconds`, which each kernel gets by its share of what this thread spent.
 * @param spent milliseconds of this thread's calls, by kernel, as `nameOf` names them
 */
export function noteTogether(
  milliseconds: number,
  spent: ReadonlyMap<string, number>,
  calls: readonly { family: { name: string }; kernel: string; arguments: readonly number[] }[],
): void {
  const all = [...spent.values()].reduce((sum, each) => sum + each, 0);
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(nameOf(call), (counts.get(nameOf(call)) ?? 0) + 1);
  for (const call of calls) {
    const name = nameOf(call);
    const share = all === 0 ? 1 / calls.length : (spent.get(name) ?? 0) / all / counts.get(name)!;
    note(call.family.name, call.kernel, milliseconds * share);
    listener?.(call.family.name, call.kernel, call.arguments);
  }
}

export function nameOf({ family, kernel }: { family: { name: string }; kernel: string }): string {
  return `${family.name}.${kernel}`;
}

function note(family: string, kernel: string, milliseconds: number): void {
  const key = nameOf({ family: { name: family }, kernel });
  const entry = times?.get(key);
  if (entry === undefined) times?.set(key, { family, kernel, calls: 1, milliseconds });
  else {
    entry.calls++;
    entry.milliseconds += milliseconds;
  }
}
