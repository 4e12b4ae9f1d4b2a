import { configuration } from "../configure.ts";
import { LAYOUT } from "./layout.ts";
import { currentPool, startPool, wantedThreads, workersTakingPart, type Pool } from "./pool.ts";

/** Work (see `ParallelOptions`) below which waking another thread costs more than it saves. */
const LEAST_WORK = 2e6;
/** The same for work that may linger, while all workers look out for some. */
const LEAST_LINGERING = 2.5e5;
/** Work after which a program is one that lasts, so that starting workers pays: some 0.15 s. */
const STARTING_WORK = 8e9;

let done = 0;

/** The pool, when that much work is worth sharing; starts one when the program has lasted long enough. */
export function poolFor(work: number, lingers = false): Pool | undefined {
  const pool = currentPool();
  if (work < LEAST_WORK) return lingers && work >= LEAST_LINGERING && isAwake(pool) ? pool : undefined;
  if (pool !== undefined) return pool;
  const { threads, workerUrl } = configuration();
  if (threads === 1) return undefined;
  done += work;
  if (done > STARTING_WORK) startPool(wantedThreads(threads), workerUrl);
  return undefined;
}

/**
 * Whether that much work would be shared between threads now. What is not gains nothing from being cut up, so where the bits of a
 * result do not depend on the cuts, one call does it.
 */
export function isShared(work: number, lingers = false): boolean {
  return poolFor(work, lingers) !== undefined && workersTakingPart() > 0;
}

const isAwake = (pool: Pool | undefined): boolean => pool !== undefined && Atomics.load(pool.words, LAYOUT.asleep) === 0;
