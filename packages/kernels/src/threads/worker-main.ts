import type { Layout } from "./layout.ts";

/** What a worker is sent: once what it works on, and whenever it lacks some, modules in the order of their numbers. */
export interface WorkerMessage {
  readonly start?: { readonly control: SharedArrayBuffer; readonly memory: WebAssembly.Memory; readonly index: number };
  readonly modules: readonly WebAssembly.Module[];
}

type Run = (...args: number[]) => void;

/**
 * The program of a worker thread: waits for jobs, and takes tasks of them as long as there are any.
 *
 * It must stay self-contained, without imports, since its text is what starts workers where they have no file of their own. It is
 * one path for Node, Deno, Bun and browsers.
 */
export function workerMain(layout: Layout): void {
  interface Scope {
    process?: { getBuiltinModule?: (name: string) => { parentPort?: Port } };
    addEventListener(type: "message", listener: (event: { data: WorkerMessage }) => void): void;
  }
  interface Port {
    on(event: "message", listener: (message: WorkerMessage) => void): void;
  }
  const scope = globalThis as unknown as Scope;
  const parentPort = scope.process?.getBuiltinModule?.("node:worker_threads")?.parentPort;
  const kernels: Run[][] = [];
  const args: number[] = [];
  let words: Int32Array;
  let numbers: Float64Array;
  let memory: WebAssembly.Memory;
  let own = 0;
  let line = 0;
  let received = 0;
  let seen = 0;
  let pages = 0;
  let lookout = layout.leastLookout;

  function receive({ start, modules }: WorkerMessage): void {
    if (start !== undefined) {
      ({ memory } = start);
      own = start.index;
      words = new Int32Array(start.control);
      numbers = new Float64Array(start.control);
      line = layout.workers + own * layout.line;
    }
    received++;
    for (const module of modules) {
      const { exports } = new WebAssembly.Instance(module, { env: { memory } });
      kernels.push(WebAssembly.Module.exports(module).map(({ name }) => exports[name] as Run));
    }
    Atomics.store(words, line + 1, kernels.length);
    Atomics.store(words, line + 2, 1);
    serve();
  }

  /**
   * Does jobs until there is a message, which only arrives in the event loop. Where one job follows soon after another it stays awake in between,
   * and where none did it looks out half as long the next time: on a busy machine who waits is in the way of who works.
   */
  function serve(): void {
    while (Atomics.load(words, line) <= received) {
      const job = nextJob();
      if (job === seen) {
        Atomics.add(words, layout.asleep, 1);
        const start = performance.now();
        Atomics.wait(words, layout.job, seen);
        Atomics.sub(words, layout.asleep, 1);
        lookout = performance.now() - start < layout.mostLookout ? layout.mostLookout : Math.max(layout.leastLookout, lookout / 2);
      } else {
        lookout = Math.min(2 * lookout, layout.mostLookout);
        seen = job;
        work();
      }
    }
  }

  /** The number of the newest job, once there is another, or when the lookout ends. */
  function nextJob(): number {
    let job = Atomics.load(words, layout.job);
    if (job !== seen) return job;
    const end = performance.now() + lookout;
    do for (let looks = 0; job === seen && looks < 100; looks++) job = Atomics.load(words, layout.job);
    while (job === seen && performance.now() < end);
    return job;
  }

  /** A task once taken keeps its job from ending, so all that describes it stays as it is until the task is settled. */
  function work(): void {
    for (;;) {
      const left = Atomics.sub(words, layout.remaining, 1);
      if (left <= 0) return;
      const task = words[layout.tasks] - left;
      if (!tryTask(task)) Atomics.store(words, layout.returnedTasks + Atomics.add(words, layout.returned, 1), task);
      Atomics.add(words, layout.settled, 1);
      if (Atomics.load(words, layout.callerAsleep) === 1) Atomics.notify(words, layout.settled);
    }
  }

  function tryTask(task: number): boolean {
    if (words[layout.modules] > kernels.length) return false; // It came with an earlier job's news, and is too early for this one.
    if (words[layout.pages] !== pages) {
      memory.grow(0); // Engines that check bounds learn of others' growth by it.
      pages = words[layout.pages];
    }
    try {
      const end = words[layout.offsets + task + 1];
      for (let at = words[layout.offsets + task]; at < end;) at = call(at);
      return true;
    } catch {
      return false; // The caller will meet the same error, and throw it.
    }
  }

  function call(start: number): number {
    const kernel = numbers[start];
    const count = numbers[start + 1];
    const scratchBits = numbers[start + 2];
    args.length = count;
    for (let i = 0; i < count; i++) args[i] = numbers[start + 3 + i];
    if (scratchBits !== 0) {
      const scratch = (words[layout.scratch] >>> 0) + (own + 1) * words[layout.scratchBytes];
      for (let i = 0; i < count; i++) if (((scratchBits >>> i) & 1) === 1) args[i] += scratch;
    }
    kernels[Math.floor(kernel / layout.kernels)][kernel % layout.kernels](...args);
    return start + 3 + count;
  }

  if (parentPort) parentPort.on("message", receive);
  else scope.addEventListener?.("message", (event) => receive(event.data));
}
