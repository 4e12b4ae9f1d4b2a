import { f32x4, i32, v128, type Expression, type FunctionBuilder, type I32, type Local, type V128 } from "@heed/kernels/assembler";
import type { Int, Work } from "./work.ts";

/**
 * `body` for each row of a strip, with the address of its first number and the one behind its last (padding included).
 * @param start of another strip that lies like the strip
 */
export function overRows(f: FunctionBuilder, w: Work, body: (at: Int, end: Int, index: Int) => void, start: I32 = w.int("strip")): void {
  const [rows, rowBytes, bytes, at] = [w.local("rows"), w.local("stripRow"), f.let(i32.shl(w.int("width"), 2)), f.local("i32")];
  at.set(start);
  const end = f.local("i32");
  f.forRange(0, rows, 1, (index) => {
    end.set(i32.add(at, bytes));
    body(at, end, index);
    f.increment(at, rowBytes);
  });
}

/** `body` for every eight numbers of a row (or `bytes`), at `at` and behind it; `at` and the `other` addresses move along. */
export function overVectors(f: FunctionBuilder, at: Int, end: Int, other: readonly Int[], body: () => void, bytes = 32): void {
  f.doWhile(i32.ltU(at, end), () => {
    body();
    for (const pointer of [at, ...other]) f.increment(pointer, bytes);
  });
}

/** Closes the eight numbers behind a row, for which strips have room: then one of an odd number of eights may be gone over by sixteens. `lowest` is −∞. */
export function padRow(f: FunctionBuilder, end: Int, lowest: Local<"v128">): void {
  for (const offset of [0, 16]) f.store(end, lowest, offset);
}

/**
 * Replaces `count` vectors from `at` on, two or four, side by side, and gives what they became. All are read before any is written: so the wide build makes
 * one vector of two.
 */
export function inPlace(f: FunctionBuilder, at: Int, count: 2 | 4, value: (x: Local<"v128">) => Expression<"v128">): Local<"v128">[] {
  const after = f.sideBySide(count, (index) => value(f.let(v128.load(at, 16 * index))));
  after.forEach((x, index) => f.store(at, x, 16 * index));
  return after;
}

interface Steps {
  /** Before each row. */
  readonly row?: (index: Int) => void;
  readonly vectors: (at: Int) => void;
  readonly after?: (index: Int) => void;
  /** Addresses that move along with `at`; `row` sets them. */
  readonly other?: readonly Int[];
  /** Of another strip, that lies like the strip. */
  readonly start?: I32;
}

/** Goes over a strip: `row` before each of its rows, then `vectors` for every eight numbers of it. */
export function overStrip(f: FunctionBuilder, w: Work, { row, vectors, after, other = [], start }: Steps): void {
  const at = f.local("i32");
  const each = (from: Int, end: Int, index: Int): void => {
    at.set(from);
    row?.(index);
    overVectors(f, at, end, other, () => vectors(at));
    after?.(index);
  };
  overRows(f, w, each, start);
}

/** One number from the four lanes, as (0 ∘ 2) ∘ (1 ∘ 3). */
export function acrossLanes(f: FunctionBuilder, x: Local<"v128">, combine: (a: V128, b: V128) => Expression<"v128">): Expression<"f32"> {
  const pairs = f.let(combine(x, f32x4.shuffle(x, x, [2, 3, 0, 1])));
  return f32x4.extractLane(combine(pairs, f32x4.shuffle(pairs, pairs, [1, 0, 3, 2])), 0);
}
