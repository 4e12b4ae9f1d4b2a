import { float64View, int32View, type Views } from "@heed/kernels/light";
import type { Shape } from "@heed/tensor/light";

/**
 * All that the streaming kernels know of a call, as one struct in linear memory: `forward(job, from, to, scratch)`. The tables below are
 * the only place that says where a field lies; the generators, the plain loops and the writer read them.
 *
 * Letters: B batch, H query heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value; packed: B
 * sequences, L and S the longest.
 *
 * Conventions: a field that is left out is 0. Pointers are byte addresses, 0 = there is none. Strides count elements; a stride of 0 shares. The
 * last axis of every array is contiguous. `real` is float32, or float64 for the reference in double precision.
 */
const JOB_FIELDS = {
  // ——— Shape ———
  B: "i32",
  H: "i32",
  /** H is a multiple of it; head h reads key/value head ⌊h / (H / Hkv)⌋. */
  Hkv: "i32",
  L: "i32",
  S: "i32",
  D: "i32",
  E: "i32",
  /** How the work is cut, by the shape alone: `blocksOf` of plan.ts. Query rows and key columns that are worked on together. */
  blockRows: "i32",
  tileColumns: "i32",
  gradientRows: "i32",
  gradientColumns: "i32",
  /** Bytes of scores that a thread may hold, where the normaliser needs whole rows; what is longer is computed again for each of its sweeps. */
  heldBytes: "i32",

  // ——— Operands, real: where each starts, and its strides, in this order (`writeOperand`) ———
  query: "i32",
  queryBatch: "i32",
  queryHead: "i32",
  queryRow: "i32",
  key: "i32",
  keyBatch: "i32",
  keyHead: "i32",
  keyRow: "i32",
  value: "i32",
  valueBatch: "i32",
  valueHead: "i32",
  valueRow: "i32",
  /** Written by `forward`, whole; read by `backward`. Overlaps nothing. */
  output: "i32",
  outputBatch: "i32",
  outputHead: "i32",
  outputRow: "i32",
  /** Packed: int32 `[B + 1]` each, where sequences start among the rows; batch strides are then 0. Both or none. */
  cuSeqlensQuery: "i32",
  cuSeqlensKey: "i32",

  // ——— Score: s = scale · score ———
  /** SCORE_FORMS */
  scoreForm: "i32",
  scale: "f64",
  /** Real, one factor per head, in place of `scale`. */
  scales: "i32",
  scalesHead: "i32",
  /** Additive: real `[D]`, or `[H, D]`. */
  vector: "i32",
  vectorHead: "i32",
  /** ACTIVATIONS, and the slope of leakyRelu below 0. */
  activation: "i32",
  negativeSlope: "f64",

  // ——— s = softcap · tanh(s / softcap) ———
  /** 0: none. */
  softcap: "f64",

  // ——— Biases ———
  biasCount: "i32",
  /** `biasCount` records, `writeBiases`. */
  biases: "i32",
  /** Where query 0 stands among the keys (read by queryRelative and valueTable): int32 `[B]`, or 0 for the same number everywhere. */
  queryOffsets: "i32",
  queryOffset: "i32",
  /** Shaw's values: real `[valueTableDistance · 2 + 1, E]` per head, added to the values by clipped distance. */
  valueTable: "i32",
  valueTableHead: "i32",
  valueTableDistance: "i32",

  /** What a compiled scoreMod reads, `writePass` of expressions/record.ts; read by modules that were made for one. */
  pass: "i32",

  // ——— Mask ———
  /** MASK_FORMS */
  maskForm: "i32",
  /** Ranges: int32, `[low, high)` once or twice (`ranges`) per row; those that are not empty ascend and do not overlap. Strides count int32. */
  bounds: "i32",
  ranges: "i32",
  /** Tiles of 64 × 64: a verdict byte, and the byte offset of the bits (int32), per tile; `⌈L / 64⌉ × ⌈S / 64⌉` in a row. Strides count tiles. */
  verdicts: "i32",
  bitsAt: "i32",
  bits: "i32",
  /** Strides of samples and heads: int32 or tiles. */
  maskBatch: "i32",
  maskHead: "i32",

  // ——— Normaliser ———
  /** NORMALISERS */
  normaliser: "i32",
  sigmoidBias: "f64",
  /** The k of topK. */
  topK: "i32",
  /** straightThrough: of the softmax that lends its gradient; and whether to add Gumbel noise to open scores, from these words of a key. */
  temperature: "f64",
  noise: "i32",
  noiseKey0: "i32",
  noiseKey1: "i32",
  /** Real, a logit per head that takes part in the softmax with the value 0. */
  sink: "i32",
  sinkHead: "i32",

  // ——— Dropout of weights ———
  /** 1: weight `((b · H + h) · L + i) · S + j` is kept where that word of the key's stream is ≤ limit (unsigned), times the factor. */
  dropout: "i32",
  dropoutKey0: "i32",
  dropoutKey1: "i32",
  dropoutLimit: "i32",
  dropoutFactor: "f64",

  // ——— Rows that hold NaN or ±∞ ———
  /** 1: forward looks at the rows of query, key and value that it reads, and makes this −1 where one may be such. */
  looks: "i32",
  /**
   * Bytes, 1 = that row of query, key, value is not finite: written by `flagRows`, given where the poison law holds (with a mask, or a bias that
   * closes) and any is 1. Flagged rows count as zeros; an open pair with one is NaN. Strides count bytes.
   */
  badQuery: "i32",
  badQueryBatch: "i32",
  badQueryHead: "i32",
  badKey: "i32",
  badKeyBatch: "i32",
  badKeyHead: "i32",
  badValue: "i32",
  badValueBatch: "i32",
  badValueHead: "i32",

  // ——— What `forward` leaves per row, real; `backward` needs maximum and sum ———
  /**
   * softmax: a number near the greatest score, before the scale where no pass wanted it, and Σ e^(s − maximum), both without the sink. relu: −, and what
   * was divided by. hard: −, and the key. topK as softmax with its greatest score, of the keys kept: scores above the threshold, and those equal to it up
   * to the key `rowTie`. sparsemax, entmax15: the greatest score,
   * how many weights are above 0 or the sum of their roots, and the threshold of s − maximum, or of its half. straightThrough: the greatest score twice,
   * Σ e^((s − maximum) / temperature), and the key.
   */
  rowMaximum: "i32",
  rowSum: "i32",
  rowThreshold: "i32",
  rowTie: "i32",
  /** ln Σ e^s, −∞ where nothing is open. */
  lse: "i32",
  savedBatch: "i32",
  savedHead: "i32",
  savedRow: "i32",

  // ——— Backward: cotangents in, gradients out (0: not wanted) ———
  outputGradient: "i32",
  outputGradientBatch: "i32",
  outputGradientHead: "i32",
  outputGradientRow: "i32",
  /** Cotangent of lse, strides as saved rows. */
  lseGradient: "i32",
  /** Written whole. Samples and heads that share an operand have a gradient of their own each, for the caller to sum. */
  queryGradient: "i32",
  queryGradientBatch: "i32",
  queryGradientHead: "i32",
  queryGradientRow: "i32",
  keyGradient: "i32",
  keyGradientBatch: "i32",
  keyGradientHead: "i32",
  keyGradientRow: "i32",
  valueGradient: "i32",
  valueGradientBatch: "i32",
  valueGradientHead: "i32",
  valueGradientRow: "i32",
  /**
   * A backward chunk is so many samples and key/value heads (at least 1 each; the last may be smaller), one after the other. Gradients that
   * chunks share are partial: one array per chunk, `…Chunk` elements apart, added to (so zeroed by the caller), summed by the caller in
   * order of chunks.
   */
  chunkBatches: "i32",
  chunkHeads: "i32",
  scalesGradient: "i32",
  scalesGradientChunk: "i32",
  sinkGradient: "i32",
  sinkGradientChunk: "i32",
  vectorGradient: "i32",
  vectorGradientChunk: "i32",
  valueTableGradient: "i32",
  valueTableGradientChunk: "i32",

  // ——— What ran ———
  /**
   * float64 `[chunks, 2]`, added to: scores computed (rows × columns), and forward tiles of keys packed, backward pairs that gradients of keys
   * and values are summed over. The reference leaves it alone.
   */
  counters: "i32",
} as const satisfies Fields;

/** One record of `biases`. A relative table, read at j − i + L − 1, is dense too: from its element L − 1 on, row −1, column 1. */
const BIAS_FIELDS = {
  /** BIAS_FORMS */
  form: "i32",
  table: "i32",
  /** dense: strides of `[B, H, L, S]`, that of rows maybe negative, the last 0 or 1. Others: of heads. */
  batch: "i32",
  head: "i32",
  row: "i32",
  column: "i32",
  /** grid: the table is `[2 · gridRows − 1, 2 · gridColumns − 1]`; the first `prefix` positions get 0. */
  gridRows: "i32",
  gridColumns: "i32",
  prefix: "i32",
  /** queryRelative */
  maxDistance: "i32",
  /** Real, added to, with strides as the table's and `gradientChunk` from chunk to chunk (0 where chunks write apart anyway). 0: not wanted. */
  gradient: "i32",
  gradientBatch: "i32",
  gradientHead: "i32",
  gradientRow: "i32",
  gradientColumn: "i32",
  gradientChunk: "i32",
} as const satisfies Fields;

export const SCORE_FORMS = { dot: 0, distance: 1, additive: 2 } as const;
export const ACTIVATIONS = { tanh: 0, sigmoid: 1, leakyRelu: 2 } as const;
export const BIAS_FORMS = { dense: 0, grid: 1, queryRelative: 2 } as const;
export const MASK_FORMS = { none: 0, ranges: 1, tiles: 2 } as const;
export const NORMALISERS = {
  softmax: 0,
  reluCount: 1,
  reluSum: 2,
  sigmoid: 3,
  identity: 4,
  hard: 5,
  topK: 6,
  sparsemax: 7,
  entmax15: 8,
  /** hard, with the gradient of a softmax. */
  straightThrough: 9,
} as const;

export type Fields = Readonly<Record<string, "i32" | "f32" | "f64">>;
type Values<F extends Fields> = { readonly [K in keyof F]: number };
export type Job = Values<typeof JOB_FIELDS>;
export type BiasRecord = Values<typeof BIAS_FIELDS>;

export interface Layout<F extends Fields> {
  readonly fields: F;
  /** Byte offsets: those of 8 bytes each come last, from `doubles` on. */
  readonly at: Values<F>;
  readonly doubles: number;
  /** A multiple of 8. */
  readonly bytes: number;
}

/** Where the fields of a struct lie. */
export function layout<F extends Fields>(fields: F): Layout<F> {
  const at: Record<string, number> = {};
  let [doubles, bytes] = [0, 0];
  for (const size of [4, 8]) {
    doubles = bytes = Math.ceil(bytes / 8) * 8;
    for (const name in fields) {
      if ((fields[name] === "f64" ? 8 : 4) !== size) continue;
      at[name] = bytes;
      bytes += size;
    }
  }
  // Copied: engines keep an object that grew by so many names as a hash table, slow to look things up in.
  return { fields, at: { ...at } as Values<F>, doubles, bytes };
}

export const JOB = /* @__PURE__ */ layout(JOB_FIELDS);
export const BIAS = /* @__PURE__ */ layout(BIAS_FIELDS);

/** Writes a job, given in parts, to `JOB.bytes` bytes, aligned to 8. */
export function writeJob(pointer: number, ...parts: readonly Partial<Job>[]): void {
  write(JOB, pointer, parts);
}

export type OperandName = "query" | "key" | "value" | "output" | "outputGradient" | "queryGradient" | "keyGradient" | "valueGradient";

/** Writes where an operand of a job lies. Its axes are `[B, H, rows, width]`; `turned`: `[B, rows, H, width]`. */
export function writeOperand(job: number, name: OperandName, pointer: number, shape: Shape, strides: Shape, turned = false): void {
  const ints = int32View();
  const at = (job + JOB.at[name]) >>> 2;
  ints[at] = pointer;
  ints[at + 1] = shape[0] === 1 ? 0 : strides[0];
  ints[at + 2] = strides[turned ? 2 : 1];
  ints[at + 3] = strides[turned ? 1 : 2];
}

/** Writes the records that `biases` points to: `BIAS.bytes` bytes each, aligned to 8. */
export function writeBiases(pointer: number, biases: readonly Partial<BiasRecord>[]): void {
  biases.forEach((bias, index) => write(BIAS, pointer + index * BIAS.bytes, [bias]));
}

/**
 * Part by part, not as one object: engines keep one of so many fields as a hash table, slow to make. Zeros are there already. Calls are far apart, so that this
 * runs in cold caches, where each look at a table counts, and where a built-in function of typed arrays takes a microsecond before it begins: so loops.
 */
function write<F extends Fields>({ at, doubles, bytes }: Layout<F>, pointer: number, parts: readonly Partial<Values<F>>[]): void {
  const ints = int32View();
  for (let i = 0; i < bytes; i += 4) ints[(pointer + i) >>> 2] = 0;
  for (const part of parts) {
    for (const name in part) {
      const value = part[name];
      if (!value) continue;
      const offset = at[name];
      if (offset < doubles) ints[(pointer + offset) >>> 2] = value;
      else float64View()[(pointer + offset) >>> 3] = value;
    }
  }
}

/** What was written, for the plain loops. */
export function readJob(views: Views, pointer: number): Job {
  return read(JOB, views, pointer);
}

export function readBiases(views: Views, { biasCount, biases }: Job): BiasRecord[] {
  return Array.from({ length: biasCount }, (_, index) => read(BIAS, views, biases + index * BIAS.bytes));
}

function read<F extends Fields>({ at, doubles, bytes }: Layout<F>, views: Views, pointer: number): Values<F> {
  const view = new DataView(views.i32().buffer, pointer, bytes);
  const values: Record<string, number> = {};
  for (const name in at) values[name] = at[name] < doubles ? view.getInt32(at[name], true) : view.getFloat64(at[name], true);
  return values as Values<F>;
}
