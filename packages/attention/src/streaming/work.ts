import { f32, f64, i32, type Expression, type FunctionBuilder, type Local } from "@heed/kernels/assembler";
import { BIAS, JOB, layout, type Fields, type Layout } from "./job.ts";

export type Int = Local<"i32">;

/**
 * What the functions of a kernel tell one another: a struct at the start of a thread's scratch space. `strip` is a few rows of scores: `rows` ×
 * `width` float32, of which `columns` are keys; the rest, up to a whole panel, is −∞ after the passes.
 */
const WORK_FIELDS = {
  job: "i32",
  // ——— Where: sample, heads, and the sequence (of a packed call) ———
  b: "i32",
  h: "i32",
  headOfKey: "i32",
  /** Rows of the operands that come before this sequence's. */
  firstQuery: "i32",
  firstKey: "i32",
  L: "i32",
  S: "i32",
  scale: "f32",

  // ——— The tile of keys: columns [tile, tileEnd), packed at its first use ———
  tile: "i32",
  tileEnd: "i32",
  isPacked: "i32",
  keyPanels: "i32",
  /** Rows of values, in place or copied: address of the tile's first row, and bytes from row to row. */
  values: "i32",
  valueRow: "i32",
  /** Room for a copy of the tile's rows. */
  room: "i32",

  // ——— The strip: rows [row, row + rows) × keys [column, column + columns) ———
  row: "i32",
  rows: "i32",
  column: "i32",
  columns: "i32",
  width: "i32",
  /** 1: every pair of it is open, as far as the mask goes. */
  isFull: "i32",
  /** Its scores, at `column`, and bytes from row to row. */
  strip: "i32",
  stripRow: "i32",
  /** Its queries. */
  query: "i32",
  queryRow: "i32",
  queryRoom: "i32",
  /** The same as the product reads them: packed for whole strips, else in place; bytes from row to row and from number to number. */
  queryFactors: "i32",
  queryFactorsRow: "i32",
  queryFactorsStep: "i32",
  /** What the strip's numbers must still be multiplied with: the scale where no pass needed it, else 1. */
  factor: "f32",
  /** Room for the dropout factors of a strip: addresses of its rows, then the rows, `wordRow` bytes each. */
  words: "i32",
  wordRow: "i32",

  /** Room for a number per column. */
  tableRoom: "i32",

  // ——— Forward: the sweep over a block's tiles ———
  /** Columns [from, to) that the block may see, in tiles of so many. */
  from: "i32",
  to: "i32",
  columnsOfTile: "i32",
  /** Whether the sweep computes scores, and whether it weighs values. */
  scores: "i32",
  weighs: "i32",
  /** The block's first row, and what is kept of its rows: outputs so far, `outRow` bytes each, state, and thresholds. */
  firstRow: "i32",
  outs: "i32",
  outRow: "i32",
  states: "i32",
  holds: "i32",
  /** Room for a strip, and for the scores of held rows from `firstHeld` on, `heldRow` bytes each; 0 = none are held. */
  queryPanels: "i32",
  stripRoom: "i32",
  held: "i32",
  heldRow: "i32",
  firstHeld: "i32",

  // ——— Backward only ———
  /** Room to keep a strip of scores before the scale, and before biases; 0 = not wanted. */
  rawStrip: "i32",
  cappedStrip: "i32",
  /** The same of the scores before a scoreMod. */
  scoreStrip: "i32",
  /** Rows as in the strip: gradients of its weights, then of its scores. */
  gradientStrip: "i32",
  /** Values of the tile, packed; rows of its keys, in place or copied. */
  valuePanels: "i32",
  keys: "i32",
  keyRow: "i32",
  keyRoom: "i32",
  valueRoom: "i32",
  /** Cotangents of the strip's outputs. */
  cotangent: "i32",
  cotangentRow: "i32",
  cotangentFactors: "i32",
  cotangentFactorsRow: "i32",
  cotangentFactorsStep: "i32",
  /** δ of the head's rows. */
  deltas: "i32",
  /** 1: the tiles are gone through for δ first, since no product with the output gives it. */
  sumsDeltas: "i32",
  chunk: "i32",
  /** What the gradient of scores is multiplied with by the normaliser: the scale where no pass comes between, else 1. */
  gradientFactor: "f32",

  // ——— What ran ———
  cells: "f64",
  tiles: "f64",
  pairs: "f64",
} as const satisfies Fields;

export const WORK = /* @__PURE__ */ layout(WORK_FIELDS);
/** Room for two vectors, behind the fields. */
export const PAIR: number = /* @__PURE__ */ (() => WORK.bytes)();
/** Bytes kept for it all. */
export const WORK_BYTES = 384;

type Names<F extends Fields, T> = { [K in keyof F]: F[K] extends T ? K : never }[keyof F] & string;

/** Reads and writes the fields of a struct in a function under construction. */
export class Struct<F extends Fields> {
  readonly #f: FunctionBuilder;
  readonly #pointer: Int;
  readonly #layout: Layout<F>;

  constructor(f: FunctionBuilder, pointer: Int, of: Layout<F>) {
    this.#f = f;
    this.#pointer = pointer;
    this.#layout = of;
  }

  int(name: Names<F, "i32">): Expression<"i32"> {
    return i32.load(this.#pointer, this.#layout.at[name]);
  }

  /** An integer kept in a local. */
  local(name: Names<F, "i32">): Int {
    return this.#f.let(this.int(name), name);
  }

  /** A real number, as float32. */
  real(name: Names<F, "f32" | "f64">): Expression<"f32"> {
    const at = this.#layout.at[name];
    return this.#layout.fields[name] === "f32" ? f32.load(this.#pointer, at) : f32.demoteF64(f64.load(this.#pointer, at));
  }

  set(name: Names<F, "i32">, value: Expression<"i32"> | number): void {
    this.#f.store(this.#pointer, typeof value === "number" ? i32.const(value) : value, this.#layout.at[name]);
  }

  setReal(name: Names<F, "f32">, value: Expression<"f32">): void {
    this.#f.store(this.#pointer, value, this.#layout.at[name]);
  }

  /** Adds to a counter. */
  count(name: Names<F, "f64">, amount: Expression<"i32">): void {
    const at = this.#layout.at[name];
    this.#f.store(this.#pointer, f64.add(f64.load(this.#pointer, at), f64.convertI32S(amount)), at);
  }

  /** `base + 4 · Σ count · stride` of fields: the address of an element. */
  address(base: Names<F, "i32">, ...terms: readonly (readonly [count: Expression<"i32">, stride: Names<F, "i32">])[]): Expression<"i32"> {
    const elements = terms.map(([count, stride]) => i32.mul(count, this.int(stride))).reduce((sum, term) => i32.add(sum, term));
    return i32.add(this.int(base), i32.shl(elements, 2));
  }
}

export type Work = Struct<typeof WORK.fields>;
export const workOf = (f: FunctionBuilder, pointer: Int): Work => new Struct(f, pointer, WORK);
export const jobOf = (f: FunctionBuilder, pointer: Int) => new Struct(f, pointer, JOB);
export const biasOf = (f: FunctionBuilder, pointer: Int) => new Struct(f, pointer, BIAS);

/** A function whose only parameter is the work. */
export const OF_WORK = { work: "i32" } as const;

/** Adds what ran of a chunk to its two counters. */
export function addCounters(
  f: FunctionBuilder,
  counters: Expression<"i32">,
  work: Int,
  names: readonly ("cells" | "tiles" | "pairs")[],
): void {
  const at = f.let(counters);
  names.forEach((name, i) => f.store(at, f64.add(f64.load(at, 8 * i), f64.load(work, WORK.at[name])), 8 * i));
}
