import { configuration } from "../configure.ts";
import { settlePending } from "./pending.ts";
import { currentPool, startPool, wantedThreads, workersTakingPart } from "./pool.ts";

/** The longest that workers may take to start, in milliseconds. */
const PATIENCE = 10_000;

/** Worker threads that share large work: they start by themselves, once a program has lasted a while. */
export const threads = {
  /**
   * Starts the worker threads now, if there are to be any, and waits until they take part: for benchmarks. Resolves with the number
   * of threads, 1 where there is no shared memory.
   */
  async ready(): Promise<number> {
    const settings = configuration();
    if (settings.threads !== 1) startPool(wantedThreads(settings.threads), settings.workerUrl);
    const end = performance.now() + PATIENCE;
    while (workersTakingPart() < (currentPool()?.workers.size ?? 0) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return 1 + workersTakingPart();
  },

  /**
   * Waits for what worker threads still do for operations that have returned: for clocks. Whoever reads a result, or computes with it, waits
   * by itself.
   */
  settle(): void {
    settlePending();
  },
};
