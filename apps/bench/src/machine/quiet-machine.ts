import { setTimeout as sleep } from "node:timers/promises";
import { measurePace } from "@heed/kernels/benchmarks";
import type { Option } from "../experiment.ts";
import { quantile } from "../format.ts";

/** Of the best that was seen: with less, somebody else is at work on the core. */
const QUIET = 0.88;
/** Samples of some 20 µs. */
export const PROBES = 30;
const PAUSE_MILLISECONDS = 10;
/** Where somebody works beside us all the time, free moments are short and rare. */
const SEARCH_MILLISECONDS = 600;

/** GFLOP/s of each core that the samples will run on, some short samples. */
export type Probe = () => Promise<readonly (readonly number[])[]>;

/** How samples began. */
export interface Quietness {
  readonly quiet: number;
  readonly disturbed: number;
}

/**
 * Waits for moments in which nobody else uses the machine. Cores are often shared, unseen, with another thread of the processor, and who keeps a core's
 * units busy loses more by that than who waits for memory: samples taken then are of the neighbour, not of the code. So before a sample small matrix
 * products are timed for some 0.6 ms, and while their middle is slower than 88 % of the best 20 µs seen, the sample waits; no longer than a budget of
 * seconds lasts, for all samples together. No sample is ever taken back: it is begun, then it counts. What it cannot see is who comes during a sample.
 */
export class QuietMachine {
  #best: number[] = [];
  #left: number;
  #quiet = 0;
  #disturbed = 0;
  readonly #probe: Probe;
  readonly #searchMilliseconds: number;

  /**
   * @param probe default: this thread's core
   * @param searchMilliseconds how long the best is looked for before the first sample
   */
  constructor(seconds: number, probe: Probe = () => Promise.resolve([measurePace(PROBES)]), searchMilliseconds = SEARCH_MILLISECONDS) {
    this.#left = 1000 * seconds;
    this.#probe = probe;
    this.#searchMilliseconds = searchMilliseconds;
  }

  /** Resolves when the machine is quiet, or the budget is used up: `wait` of another 10 ms at a time. */
  async settle(wait: (milliseconds: number) => Promise<unknown> = sleep): Promise<void> {
    if (this.#best.length === 0) {
      const until = performance.now() + this.#searchMilliseconds;
      do await this.#isQuiet();
      while (performance.now() < until);
    }
    for (;;) {
      if (await this.#isQuiet()) {
        this.#quiet++;
        return;
      }
      if (this.#left <= 0) {
        this.#disturbed++;
        return;
      }
      this.#left -= PAUSE_MILLISECONDS;
      await wait(PAUSE_MILLISECONDS);
    }
  }

  async #isQuiet(): Promise<boolean> {
    const cores = await this.#probe();
    this.#best = cores.map((rates, core) => Math.max(this.#best[core] ?? 0, ...rates));
    return cores.every((rates, core) => quantile(rates, 0.5) >= QUIET * this.#best[core]!);
  }

  get counts(): Quietness {
    return { quiet: this.#quiet, disturbed: this.#disturbed };
  }
}

/** "312 of 350 samples began on a quiet machine." */
export function quietnessOf(all: readonly (Quietness | undefined)[]): string {
  const known = all.filter((one) => one !== undefined);
  const quiet = known.reduce((sum, one) => sum + one.quiet, 0);
  const samples = known.reduce((sum, one) => sum + one.quiet + one.disturbed, 0);
  return `${quiet} of ${samples} samples began on a quiet machine: small matrix products, timed just before on each core in use, ran at 88 % or more of the fastest seen.`;
}

/** `--wait`, for one of what. */
export const waitOption = (unit: string): Option => ({
  flags: "--wait <seconds>",
  description: `for how long samples of a ${unit} wait for a quiet machine, all together (default: by profile)`,
  parse: parseWait,
});

function parseWait(text: string): number {
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= 0 && seconds <= 3600)) throw new Error("must be a number of seconds from 0 to 3600");
  return seconds;
}
