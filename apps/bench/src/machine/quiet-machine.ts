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

/** The fastest that each core was seen. */
export type BestOfCores = number[] | Float64Array;

const MOST_CORES = 256;

/** For works that are measured one after the other, each in a thread of its own: a machine that is disturbed from a work's first sample to its last seems quiet to who knows only this work. */
export const sharedBest = (): Float64Array => new Float64Array(new SharedArrayBuffer(8 * MOST_CORES));

/** GFLOP/s of each core that the samples will run on, some short samples. */
export type Probe = () => Promise<readonly (readonly number[])[]>;

/** How samples began, or where `sample` took them, began and ended. */
export interface Quietness {
  readonly quiet: number;
  readonly disturbed: number;
  /** Samples that were taken again, since the machine was no longer quiet when they ended. */
  readonly again?: number;
}

/**
 * Waits for moments in which nobody else uses the machine. Cores are often shared, unseen, with another thread of the processor, and who keeps a core's
 * units busy loses more by that than who waits for memory: samples taken then are of the neighbour, not of the code. So before a sample small matrix
 * products are timed for some 0.6 ms, and while their middle is slower than 88 % of the best 20 µs seen, the sample waits; no longer than a budget of
 * seconds lasts, for all samples together. `sample` looks once more when the sample has ended, and takes it again where somebody came meanwhile, as long as
 * the budget lasts: what decides is the probe alone, never what was measured.
 */
export class QuietMachine {
  readonly #best: BestOfCores;
  #searched = false;
  #left: number;
  #quiet = 0;
  #disturbed = 0;
  #again = 0;
  readonly #probe: Probe;
  readonly #searchMilliseconds: number;

  /**
   * @param probe default: this thread's core
   * @param searchMilliseconds how long the best is looked for before the first sample
   * @param best of each core, for those that share it: what one has seen the next ones know
   */
  constructor(
    seconds: number,
    probe: Probe = () => Promise.resolve([measurePace(PROBES)]),
    searchMilliseconds = SEARCH_MILLISECONDS,
    best: BestOfCores = [],
  ) {
    this.#left = 1000 * seconds;
    this.#probe = probe;
    this.#searchMilliseconds = searchMilliseconds;
    this.#best = best;
  }

  /** Resolves when the machine is quiet, or the budget is used up: `wait` of another 10 ms at a time. */
  async settle(wait?: (milliseconds: number) => Promise<unknown>): Promise<void> {
    this.#count(await this.#settled(wait));
  }

  /** A sample that begins and ends on a quiet machine, or what there is when the budget is used up; samples taken in vain count against it. */
  async sample<T>(take: () => Promise<T>, wait?: (milliseconds: number) => Promise<unknown>): Promise<T> {
    for (;;) {
      const began = await this.#settled(wait);
      const start = performance.now();
      const value = await take();
      const isQuiet = began && (await this.#isQuiet());
      if (isQuiet || this.#left <= 0) {
        this.#count(isQuiet);
        return value;
      }
      this.#left -= performance.now() - start;
      this.#again++;
    }
  }

  #count(isQuiet: boolean): void {
    if (isQuiet) this.#quiet++;
    else this.#disturbed++;
  }

  async #settled(wait: (milliseconds: number) => Promise<unknown> = sleep): Promise<boolean> {
    if (!this.#searched) {
      this.#searched = true;
      const until = performance.now() + this.#searchMilliseconds;
      do await this.#isQuiet();
      while (performance.now() < until);
    }
    while (!(await this.#isQuiet())) {
      if (this.#left <= 0) return false;
      this.#left -= PAUSE_MILLISECONDS;
      await wait(PAUSE_MILLISECONDS);
    }
    return true;
  }

  async #isQuiet(): Promise<boolean> {
    const cores = await this.#probe();
    cores.forEach((rates, core) => (this.#best[core] = Math.max(this.#best[core] ?? 0, ...rates)));
    return cores.every((rates, core) => quantile(rates, 0.5) >= QUIET * this.#best[core]!);
  }

  get counts(): Quietness {
    return { quiet: this.#quiet, disturbed: this.#disturbed, ...(this.#again > 0 && { again: this.#again }) };
  }
}

/**
 * "312 of 350 samples began on a quiet machine."
 * @param verb what they did there: `began`, or `began and ended`
 */
export function quietnessOf(all: readonly (Quietness | undefined)[], verb: "began" | "began and ended" = "began"): string {
  const known = all.filter((one) => one !== undefined);
  const total = (count: (one: Quietness) => number): number => known.reduce((sum, one) => sum + count(one), 0);
  const quiet = total((one) => one.quiet);
  const again = total((one) => one.again ?? 0);
  const samples = quiet + total((one) => one.disturbed);
  const probed = `small matrix products, timed just before${verb === "began" ? "" : " and after"} on each core in use, ran at 88 % or more of the fastest seen.`;
  const taken = again === 0 ? "" : ` ${again} more ended on a disturbed one and were taken again, whatever they had measured.`;
  return `${quiet} of ${samples} samples ${verb} on a quiet machine: ${probed}${taken}`;
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
