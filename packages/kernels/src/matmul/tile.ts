import { i32, v128 } from "../assembler/index.ts";
import type { Build, FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";
import { tileColumns } from "./blocking.ts";

const TILE = {
  steps: "i32",
  a: "i32",
  rowA: "i32",
  stepA: "i32",
  b: "i32",
  stepB: "i32",
  c: "i32",
  rowC: "i32",
  start: "i32",
  rowStart: "i32",
} as const;

/** A function that computes one tile of C. Strides are in bytes; sums start from what lies at `start`, or where that is 0, from 0. */
export type Tile = FunctionHandle<typeof TILE, undefined>;

/**
 * Rows of a full tile. With fused multiply-add 6 × 2 vectors need 12 sums + 2 of B + 1 of A = 15 vector registers, all that V8 has
 * on x64. Without it each product takes one more, and 4 × 2 fit.
 */
export const tileRows = (build: Build): 4 | 6 => (build === "simd" ? 4 : 6);

/**
 * A tile of `rows` × `columns` (a multiple of 4): the sums stay in registers while A and B go by, each step of the sum one row of B and `rows`
 * elements of A. It is a function of its own, not inlined, because engines exchange slow first code for fast code only at calls.
 *
 * @param pitch bytes between rows of A where they are always the same, as in panels: then one pointer serves all rows instead of each
 * moving its own, 23 instructions a step in V8 instead of 28. A core of one's own hides those behind 12 multiply-adds, but one that is
 * shared with another thread, as those of rented machines are, is 20 % faster. (In Bun a quarter slower: 29 instead of 41 GFLOP/s.)
 */
export function defineTile(m: ModuleBuilder, rows: number, columns: number = tileColumns(m.build), pitch?: number): Tile {
  const name = `tile${rows}x${columns}${pitch === undefined ? "" : `by${pitch}`}`;
  return m.internal(name, { params: TILE }, (f, { steps, a, rowA, stepA, b, stepB, c, rowC, start, rowStart }) => {
    const vectors = Array.from({ length: columns / 4 }, (_, vector) => 16 * vector);
    const rowPointers = (first: typeof a, stride: typeof rowA) => {
      const pointers = [first];
      for (let row = 1; row < rows; row++) pointers.push(f.let(i32.add(pointers[row - 1], stride)));
      return pointers;
    };
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors.length));

    // What sums start from is loaded before the loop, never added in stores after it: interleaved loads and stores halve the speed.
    f.if(start, () => {
      const starts = rowPointers(start, rowStart);
      for (const [row, sumsOfRow] of sums.entries()) {
        for (const [vector, offset] of vectors.entries()) sumsOfRow[vector].set(v128.load(starts[row], offset));
      }
    });

    const inputs = pitch === undefined ? rowPointers(a, rowA) : [];
    // Registers hold the sums, and of the factors those of the shorter side; those of the longer side come one after the other.
    const isTall = rows > vectors.length;
    const [factors, others] = [f.locals("v128", isTall ? 1 : rows), f.locals("v128", isTall ? vectors.length : 1)];
    const nextFactor = (row: number): Local<"v128"> => {
      const factor = factors[row % factors.length];
      if (pitch === undefined) {
        factor.set(v128.load32Splat(inputs[row]));
        f.increment(inputs[row], stepA);
      } else factor.set(v128.load32Splat(a, row * pitch));
      return factor;
    };
    const nextOther = (vector: number): Local<"v128"> => {
      const other = others[vector % others.length];
      other.set(v128.load(b, vectors[vector]));
      return other;
    };
    // One step per turn: unrolling makes older engines hoist every load, and spill.
    f.doWhile(steps, () => {
      if (isTall) {
        others.forEach((_, vector) => nextOther(vector));
        f.increment(b, stepB);
        for (const [row, sumsOfRow] of sums.entries()) {
          const factor = nextFactor(row);
          for (const [vector, sum] of sumsOfRow.entries()) sum.set(f.madd(factor, others[vector], sum));
        }
      } else {
        factors.forEach((_, row) => nextFactor(row));
        for (const vector of vectors.keys()) {
          const other = nextOther(vector);
          for (const [row, factor] of factors.entries()) sums[row][vector].set(f.madd(factor, other, sums[row][vector]));
        }
        f.increment(b, stepB);
      }
      if (pitch !== undefined) f.increment(a, stepA);
      f.increment(steps, -1);
    });

    const outputs = rowPointers(c, rowC);
    for (const [row, sumsOfRow] of sums.entries()) {
      for (const [vector, offset] of vectors.entries()) f.store(outputs[row], sumsOfRow[vector], offset);
    }
  });
}
