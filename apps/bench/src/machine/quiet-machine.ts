import { setTimeout as sleep } from "node:timers/promises";
import { measurePeak } from "@heed/kernels/benchmarks";
import type { Option } from "./experiment.ts";
import { quantile } from "./format.ts";

/** Of the best that was seen: with less, somebody else is at work on the core. */
const QUIET = 0.92;
const PROBES = 25;
const PAUSE_MILLISECONDS = 250;
/** Where somebody works beside us all the time, free moments are short and rare. */
const SEARCH_MILLISECONDS = 400;

/** How samples began. */
export interface Quietness {
  readonly quiet: number;
  readonly disturbed: number;
}

/**
 * Waits for moments in which nobody else uses the machine. Cores are often shared, unseen, with another thread of the processor, and who keeps the
 * arithmetic units busy loses more by that than who waits for memory: samples taken then are of the neighbour, not of the code. So before a sample
 * arithmetic in registers is timed for some milliseconds, and while it runs slower than in its best tenth of a millisecond, the sample waits; no
 * longer than a budget of seconds lasts, for all samples together. No sample is ever taken back: it is begun, then it counts. What it cannot see is a
 * neighbour who leaves arithmetic alone and takes caches and memory, or one on a core that the probe did not run on.
 */
export class QuietMachine {
  #best = 0;
  #left: number;
  #quiet = 0;
  #disturbed = 0;
  readonly #probe: () => readonly number[];
  readonly #searchMilliseconds: number;

  /**
   * @param probe GFLOP/s of arithmetic right now, some short samples
   * @param searchMilliseconds how long the best is looked for before the first sample
   */
  constructor(seconds: number, probe: () => readonly number[] = probeNow, searchMilliseconds = SEARCH_MILLISECONDS) {
    this.#left = 1000 * seconds;
    this.#probe = probe;
    this.#searchMilliseconds = searchMilliseconds;
  }

  /** Resolves when the machine is quiet, or the budget is used up: `wait` of another 250 ms at a time. */
  async settle(wait: (milliseconds: number) => Promise<unknown> = sleep): Promise<void> {
    if (this.#best === 0) {
      const until = performance.now() + this.#searchMilliseconds;
      do this.#best = Math.max(this.#best, ...this.#probe());
      while (performance.now() < until);
    }
    for (;;) {
      const rates = this.#probe();
      this.#best = Math.max(this.#best, ...rates);
      if (quantile(rates, 0.5) >= QUIET * this.#best) {
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

  get counts(): Quietness {
    return { quiet: this.#quiet, disturbed: this.#disturbed };
  }
}

function probeNow(): readonly number[] {
  return Array.from({ length: PROBES }, () => {
    const { fma, mulAdd } = measurePeak(1);
    return fma ?? mulAdd;
  });
}

/** "312 of 350 samples began on a quiet machine." */
export function quietnessOf(all: readonly (Quietness | undefined)[]): string {
  const known = all.filter((one) => one !== undefined);
  const quiet = known.reduce((sum, one) => sum + one.quiet, 0);
  const samples = known.reduce((sum, one) => sum + one.quiet + one.disturbed, 0);
  return `${quiet} of ${samples} samples began on a quiet machine: arithmetic in registers, timed just before, ran at 92 % or more of the fastest seen.`;
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
