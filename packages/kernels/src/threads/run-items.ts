import type { Family } from "../family.ts";
import { isShared } from "./pool-for.ts";
import { runParallel } from "./run-parallel.ts";

/** Work (see `ParallelOptions`) of a piece at least, some 10 µs; and the most pieces. */
const PIECE = 2.5e5;
const MOST = 32;
/** Pieces begin at multiples of this, so that only the last one has a part of a vector or of a cache line. */
const UNIT = 64;

export interface ItemOptions {
  /** Estimated floating-point operations of one item, or what takes as long: a byte moved is some 2. */
  readonly work: number;
  /** Whether items are rows, any number of which may be a piece, or else elements. */
  readonly rows?: boolean;
}

/**
 * Runs a kernel over `count` items, elements or rows, none of which depends on another; large work in pieces that threads share.
 *
 * @param args the arguments of a call for the items `first … first + count − 1`
 */
export function runItems<K extends object>(
  family: Family<K>,
  dtype: "float32" | "float64",
  kernel: keyof K & string,
  count: number,
  args: (first: number, count: number) => readonly number[],
  { work, rows = false }: ItemOptions,
): void {
  if (count === 0) return;
  const all = count * work;
  if (!isShared(all, true)) {
    const run = family.on(dtype)[kernel] as (...args: readonly number[]) => void;
    run(...args(0, count));
    return;
  }
  runParallel(
    family,
    dtype,
    kernel,
    cutItems(count, all, rows).map(([first, length]) => args(first, length)),
    { work: all, lingers: true },
  );
}

/** First item and length of each piece of `count` items, by their number and work alone. */
export function cutItems(count: number, work: number, rows: boolean): [first: number, length: number][] {
  const unit = rows ? 1 : UNIT;
  const pieces = Math.max(1, Math.min(MOST, Math.floor(work / PIECE)));
  const size = Math.ceil(count / pieces / unit) * unit;
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(size, count - i * size)]);
}
