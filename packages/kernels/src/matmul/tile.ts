import { i32, v128 } from "../assembler/index.ts";
import type { Build, FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";
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

const TILES = {
  tiles: "i32",
  steps: "i32",
  a: "i32",
  stepA: "i32",
  b: "i32",
  stepB: "i32",
  nextB: "i32",
  c: "i32",
  rowC: "i32",
  load: "i32",
} as const;

/**
 * A function that computes a row of `tiles` (at least 1) tiles of C, side by side; their panels of B lie `nextB` bytes apart. Sums start from what
 * C holds where `load` is not 0, else from 0.
 */
export type Tiles = FunctionHandle<typeof TILES, undefined>;

/**
 * Rows of a full tile. With fused multiply-add 6 × 2 vectors need 12 sums + 2 of B + 1 of A = 15 vector registers, all that V8 has
 * on x64. Without it each product takes one more, and 4 × 2 fit.
 */
export const tileRows = (build: Build): 4 | 6 => (build === "simd" ? 4 : 6);

/**
 * log2 of the steps per turn of the loop, by a pitch or along A, where multiply-adds are fused. V8 spends 27 instructions on a step of a loop of one, 23 on one of eight:
 * on a core of one's own that changes nothing in Node.js, on one that is shared it is 8 % faster (wide: 10 %); in Deno, which checks bounds, it is 49 GFLOP/s instead of
 * 35. The plain build has to suit the engines of Node.js 20 and 22, which load early what is unrolled, and spill: 19 instead of 38.
 */
const STEPS_BITS = 3;

type Int = Local<"i32">;
type Sums = readonly (readonly Local<"v128">[])[];

/** What is known of how the rows of A lie, and makes a tile faster. */
export interface TileOptions {
  /**
   * Bytes between rows of A where they are always the same, as in panels: then one pointer serves all rows instead of each
   * moving its own, fewer instructions a step in V8. A core of one's own hides those behind 12 multiply-adds, but one that is
   * shared with another thread, as those of rented machines are, is 20 % faster. (In Bun a quarter slower: 29 instead of 41 GFLOP/s.)
   */
  readonly pitch?: number | undefined;
  /** `stepA` is always 4, as in rows of a matrix where it lies: their pointers then move once for several steps. */
  readonly along?: boolean;
}

/**
 * A tile of `rows` × `columns` (a multiple of 4): the sums stay in registers while A and B go by, each step of the sum one row of B and `rows`
 * elements of A. It is a function of its own, not inlined, because engines exchange slow first code for fast code only at calls.
 */
export function defineTile(
  m: ModuleBuilder,
  rows: number,
  columns: number = tileColumns(m.build),
  { pitch, along = false }: TileOptions = {},
): Tile {
  const name = `tile${rows}x${columns}${pitch === undefined ? "" : `by${pitch}`}${along ? "along" : ""}`;
  return m.internal(name, { params: TILE }, (f, { steps, a, rowA, stepA, b, stepB, c, rowC, start, rowStart }) => {
    const sums = sumsOf(f, rows, columns);
    f.if(start, () => loadSums(f, sums, start, rowStart));
    sumUp(f, sums, { steps, inputs: pitch === undefined ? rowPointers(f, rows, a, rowA) : [a], stepA, b, stepB, pitch, along });
    storeSums(f, sums, c, rowC);
  });
}

/**
 * A row of tiles in one call: into a function and out of it again for each was 4 % of the time of tiles of 64 steps. (Of products by panels of
 * 192 to 512 steps it was nothing that could be measured.)
 *
 * @param pitch bytes between rows of A, as of `TileOptions`
 */
export function defineTiles(m: ModuleBuilder, rows: number, pitch: number): Tiles {
  const columns = tileColumns(m.build);
  const name = `tiles${rows}x${columns}by${pitch}`;
  return m.internal(name, { params: TILES }, (f, { tiles, steps, a, stepA, b, stepB, nextB, c, rowC, load }) => {
    const sums = sumsOf(f, rows, columns);
    const [count, fromA, fromB] = f.locals("i32", 3);
    const zero = f.local("v128");
    f.doWhile(tiles, () => {
      f.if(
        load,
        () => loadSums(f, sums, c, rowC),
        () => sums.flat().forEach((sum) => sum.set(zero)),
      );
      count.set(steps);
      fromA.set(a);
      fromB.set(b);
      sumUp(f, sums, { steps: count, inputs: [fromA], stepA, b: fromB, stepB, pitch });
      storeSums(f, sums, c, rowC);
      f.increment(b, nextB);
      f.increment(c, 4 * columns);
      f.increment(tiles, -1);
    });
  });
}

const sumsOf = (f: FunctionBuilder, rows: number, columns: number): Sums =>
  Array.from({ length: rows }, () => f.locals("v128", columns / 4));

function rowPointers(f: FunctionBuilder, rows: number, first: Int, stride: Int): Int[] {
  const pointers = [first];
  for (let row = 1; row < rows; row++) pointers.push(f.let(i32.add(pointers[row - 1], stride)));
  return pointers;
}

/** What sums start from is loaded before the loop, never added in stores after it: interleaved loads and stores halve the speed. */
function loadSums(f: FunctionBuilder, sums: Sums, start: Int, rowStart: Int): void {
  const starts = rowPointers(f, sums.length, start, rowStart);
  for (const [row, sumsOfRow] of sums.entries()) {
    for (const [vector, sum] of sumsOfRow.entries()) sum.set(v128.load(starts[row], 16 * vector));
  }
}

function storeSums(f: FunctionBuilder, sums: Sums, c: Int, rowC: Int): void {
  const outputs = rowPointers(f, sums.length, c, rowC);
  for (const [row, sumsOfRow] of sums.entries()) {
    for (const [vector, sum] of sumsOfRow.entries()) f.store(outputs[row], sum, 16 * vector);
  }
}

interface Factors extends TileOptions {
  /** Counts down to 0. */
  readonly steps: Int;
  /** Where each row of A is read, or with a pitch the first; they move, as `b` does. */
  readonly inputs: readonly Int[];
  readonly stepA: Int;
  readonly b: Int;
  readonly stepB: Int;
}

/** `sums += a · b`, step after step. */
function sumUp(f: FunctionBuilder, sums: Sums, { steps, inputs, stepA, b, stepB, pitch, along = false }: Factors): void {
  // Registers hold the sums, and of the factors those of the shorter side; those of the longer side come one after the other.
  const vectors = sums[0].length;
  const isTall = sums.length > vectors;
  const [factors, others] = [f.locals("v128", isTall ? 1 : sums.length), f.locals("v128", isTall ? vectors : 1)];
  const nextFactor = (row: number, ahead: number): Local<"v128"> => {
    const factor = factors[row % factors.length];
    factor.set(pitch === undefined ? v128.load32Splat(inputs[row], 4 * ahead) : v128.load32Splat(inputs[0], row * pitch));
    if (pitch === undefined && !along) f.increment(inputs[row], stepA);
    return factor;
  };
  const nextOther = (vector: number): Local<"v128"> => {
    const other = others[vector % others.length];
    other.set(v128.load(b, 16 * vector));
    return other;
  };
  /** @param ahead steps of this turn that lie behind, if pointers along A have not moved */
  const step = (ahead: number): void => {
    if (isTall) {
      others.forEach((_, vector) => nextOther(vector));
      f.increment(b, stepB);
      for (const [row, sumsOfRow] of sums.entries()) {
        const factor = nextFactor(row, ahead);
        for (const [vector, sum] of sumsOfRow.entries()) sum.set(f.madd(factor, others[vector], sum));
      }
    } else {
      factors.forEach((_, row) => nextFactor(row, ahead));
      for (let vector = 0; vector < vectors; vector++) {
        const other = nextOther(vector);
        for (const [row, factor] of factors.entries()) sums[row][vector].set(f.madd(factor, other, sums[row][vector]));
      }
      f.increment(b, stepB);
    }
    if (pitch !== undefined) f.increment(inputs[0], stepA);
  };
  /** Steps by so many per turn, while `turns` counts down to 0. */
  const repeat = (turns: Int, stepsPerTurn: number): void =>
    f.doWhile(turns, () => {
      for (let count = 0; count < stepsPerTurn; count++) step(along ? count : 0);
      if (along) for (const input of inputs) f.increment(input, 4 * stepsPerTurn);
      f.increment(turns, -1);
    });
  if ((pitch === undefined && !along) || f.build === "simd") {
    repeat(steps, 1);
    return;
  }
  const turns = f.let(i32.shrU(steps, STEPS_BITS));
  f.if(turns, () => repeat(turns, 1 << STEPS_BITS));
  steps.set(i32.and(steps, (1 << STEPS_BITS) - 1));
  f.if(steps, () => repeat(steps, 1));
}
