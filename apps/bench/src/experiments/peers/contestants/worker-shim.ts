import { resolveObjectURL } from "node:buffer";
import { Worker as NodeWorker } from "node:worker_threads";

/** Makes browsers' `self` of a worker thread of Node. */
const prelude = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => globalThis.onmessage?.({ data }));
`;

/** Gives Node the `Worker` of browsers, as far as a library that starts workers from a blob needs it, and says how many cores to use. */
export function shimWorker(threads: number): void {
  Object.defineProperty(globalThis.navigator, "hardwareConcurrency", { value: threads, configurable: true });
  (globalThis as { Worker?: unknown }).Worker = class {
    onmessage: ((event: { data: unknown }) => void) | undefined;
    onerror: ((error: Error) => void) | undefined;
    readonly #worker: Promise<NodeWorker>;

    constructor(url: string) {
      this.#worker = this.#start(url);
    }

    postMessage(message: unknown): void {
      void this.#worker.then((worker) => worker.postMessage(message));
    }

    async #start(url: string): Promise<NodeWorker> {
      const worker = new NodeWorker(prelude + (await resolveObjectURL(url)!.text()), { eval: true });
      worker.on("message", (data) => this.onmessage?.({ data }));
      worker.on("error", (error) => this.onerror?.(error));
      return worker;
    }
  };
}
