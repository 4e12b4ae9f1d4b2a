import { setGate } from "../clock.ts";
import { linearMemory, watchMemory } from "../memory/linear-memory.ts";
import { LAYOUT, MOST_FLOATS, MOST_WORKERS } from "./layout.ts";
import { settlePending } from "./pending.ts";
import { workerMain, type WorkerMessage } from "./worker-main.ts";

/** A worker thread of Node, Deno and Bun, or a browser's. */
interface AnyWorker {
  postMessage(message: WorkerMessage): void;
  terminate(): unknown;
  unref?(): void;
  on?(event: "error" | "exit", listener: () => void): void;
}

/** Worker threads, and the memory in which they are told what to do. */
export interface Pool {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  /** Workers that were started. */
  readonly size: number;
  /** Those that have not died. */
  readonly workers: Map<number, AnyWorker>;
  /** Modules that were sent, or will be with the first message. */
  readonly modules: WebAssembly.Module[];
}

/** The most threads that are started without being asked for. */
const MOST_BY_ITSELF = 16;

let pool: Pool | undefined;
/** Why there is no pool, and none will be tried again until the configuration changes. */
let failed = false;

/** The running pool, whether or not its workers have acknowledged. */
export function currentPool(): Pool | undefined {
  return pool;
}

/** Starts worker threads besides this one, which take part once they have acknowledged. Where that cannot work, nothing happens. */
export function startPool(threads: number, workerUrl: string | undefined): void {
  const size = Math.min(threads - 1, MOST_WORKERS);
  if (pool !== undefined || failed || size < 1 || !linearMemory().isShared) return;
  const control = new SharedArrayBuffer(8 * (LAYOUT.calls + MOST_FLOATS));
  const own: Pool = { words: new Int32Array(control), numbers: new Float64Array(control), size, workers: new Map(), modules: [] };
  pool = own;
  watchForPending();
  try {
    for (let index = 0; index < size; index++) {
      const worker = startWorker(workerUrl, () => {
        own.workers.delete(index);
        Atomics.store(own.words, acknowledged(index), 0);
      });
      own.workers.set(index, worker);
      send(own, index, { start: { control, memory: linearMemory().wasm!, index }, modules: [] });
    }
  } catch {
    // A content security policy, or no more threads: what has started so far takes part.
    failed = own.workers.size === 0;
    if (failed) pool = undefined;
  }
}

let isWatching = false;

/** From the first pool on, whoever asks for memory or kernels waits for what lingers. */
function watchForPending(): void {
  if (isWatching) return;
  isWatching = true;
  watchMemory(settlePending);
  setGate(settlePending);
}

/** Ends the worker threads, if there are any; a next one may be started. */
export function stopPool(): void {
  settlePending();
  for (const worker of pool?.workers.values() ?? []) void worker.terminate();
  pool = undefined;
  failed = false;
}

/** Workers that have acknowledged. */
export function workersTakingPart(): number {
  let count = 0;
  for (const index of pool?.workers.keys() ?? []) count += Atomics.load(pool!.words, acknowledged(index));
  return count;
}

/** How many of the workers that take part know that many modules; the others are sent what they lack. */
export function workersKnowing(own: Pool, modules: number): number {
  let count = 0;
  for (const index of own.workers.keys()) {
    if (Atomics.load(own.words, acknowledged(index)) === 0) continue;
    if (Atomics.load(own.words, acknowledged(index) - 1) >= modules) count++;
  }
  return count;
}

/** The number of a module, which the workers are sent when it is new. */
export function moduleNumber(own: Pool, module: WebAssembly.Module): number {
  const known = own.modules.indexOf(module);
  if (known >= 0) return known;
  own.modules.push(module);
  for (const index of own.workers.keys()) send(own, index, { modules: [module] });
  return own.modules.length - 1;
}

/** A message reaches a worker in its event loop: what counts it also calls the worker back there. */
function send(own: Pool, index: number, message: WorkerMessage): void {
  own.workers.get(index)!.postMessage(message);
  Atomics.add(own.words, acknowledged(index) - 2, 1);
  Atomics.add(own.words, LAYOUT.job, 1);
  Atomics.notify(own.words, LAYOUT.job);
}

function acknowledged(index: number): number {
  return LAYOUT.workers + index * LAYOUT.line + 2;
}

function startWorker(url: string | undefined, onEnd: () => void): AnyWorker {
  const threads = nodeThreads();
  // Bundlers may wrap named functions in calls of a helper of that name.
  const text = `const __name = (f) => f;\n(${workerMain.toString()})(${JSON.stringify(LAYOUT)});`;
  if (threads !== undefined) {
    // Neither this process's flags (which may preload modules) nor its environment are the worker's concern.
    const settings = { execArgv: [], env: {}, name: "heed" };
    const worker: AnyWorker =
      url === undefined ? new threads.Worker(text, { ...settings, eval: true }) : new threads.Worker(new URL(url), settings);
    worker.unref!(); // A pool keeps no process alive.
    worker.on!("error", onEnd);
    worker.on!("exit", onEnd);
    return worker;
  }
  const blob = url === undefined ? URL.createObjectURL(new Blob([text], { type: "text/javascript" })) : undefined;
  const worker = new Worker(url ?? blob!, { type: "module", name: "heed" });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    onEnd();
  });
  return worker;
}

function nodeThreads(): { Worker: new (text: string | URL, options: object) => AnyWorker } | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:worker_threads") as ReturnType<typeof nodeThreads>;
}

/** How many threads a configuration asks for: by itself as many as the machine can run at once. */
export function wantedThreads(threads: number | "auto"): number {
  if (threads !== "auto") return threads;
  const { navigator, process } = globalThis as {
    navigator?: { hardwareConcurrency?: number };
    process?: { getBuiltinModule?: (name: string) => unknown };
  };
  const os = process?.getBuiltinModule?.("node:os") as { availableParallelism(): number } | undefined;
  return Math.min(MOST_BY_ITSELF, os?.availableParallelism() ?? navigator?.hardwareConcurrency ?? 1);
}
