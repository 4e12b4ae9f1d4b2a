import { noise, type Workspace } from "@heed/kernels/testing";
import { dropoutFields } from "../src/streaming/dropout-fields.ts";
import {
  BIAS,
  BIAS_FORMS,
  JOB,
  MASK_FORMS,
  NORMALISERS,
  SCORE_FORMS,
  writeBiases,
  writeJob,
  type BiasRecord,
  type Job,
} from "../src/streaming/job.ts";
import { backwardScratchBytes, blocksOf, forwardChunks, backwardChunks, forwardScratchBytes, type Blocks } from "../src/streaming/plan.ts";
import type { StreamingKernels } from "../src/streaming/compiled.ts";
import type { StreamingBackwardKernels } from "../src/streaming-backward/streaming-backward.ts";

/** A call of the streaming kernels at their own level: sizes, options, made-up operands. */
export interface Case {
  readonly B?: number;
  readonly H?: number;
  readonly Hkv?: number;
  readonly L: number;
  readonly S: number;
  readonly D: number;
  readonly E?: number;
  /** Query and key stand `[B, L, H, D]`, with gaps between rows. */
  readonly strided?: boolean;
  readonly scale?: number;
  /** One factor per head. */
  readonly scales?: boolean;
  readonly score?: keyof typeof SCORE_FORMS;
  readonly activation?: number;
  readonly softcap?: number;
  readonly biases?: readonly CaseBias[];
  /** Ranges of keys per row. */
  readonly ranges?: (b: number, h: number, i: number) => readonly number[];
  /** Tiles made from a predicate. */
  readonly opens?: (b: number, h: number, i: number, j: number) => boolean;
  readonly normaliser?: keyof typeof NORMALISERS;
  readonly sigmoidBias?: number;
  readonly topK?: number;
  readonly temperature?: number;
  readonly sink?: boolean;
  readonly dropout?: number;
  readonly lengths?: readonly (readonly [L: number, S: number])[];
  readonly lseGradient?: boolean;
  readonly valueTableDistance?: number;
  readonly queryOffset?: number | readonly number[];
  readonly blocks?: Partial<Blocks>;
  readonly chunkBatches?: number;
  readonly chunkHeads?: number;
  /** Changes numbers after they were made up: of an operand, or of a learned table (place is then its index). */
  readonly change?: (name: string, value: number, place: Place) => number;
  readonly flagged?: boolean;
}

export interface Place {
  readonly b: number;
  readonly h: number;
  readonly row: number;
  readonly column: number;
}

export type CaseBias =
  | { readonly form: "dense"; readonly shape: readonly [number, number, number, number]; readonly closes?: boolean }
  | { readonly form: "relative"; readonly heads: number }
  | { readonly form: "grid"; readonly heads: number; readonly rows: number; readonly columns: number; readonly prefix: number }
  | { readonly form: "queryRelative"; readonly heads: number; readonly maxDistance: number };

export interface Results {
  readonly output: number[];
  readonly lse: number[];
  readonly gradients: Readonly<Record<string, number[]>>;
  readonly counted: { readonly cells: number; readonly tiles: number };
}

/** Runs forward, and backward where its kernels are given. */
export function runCase(w: Workspace, c: Case, kernels: StreamingKernels, backward?: StreamingBackwardKernels): Results {
  const { B = 1, H = 1, L, S, D, E = D } = c;
  const Hkv = c.Hkv ?? H;
  const sizes = { B, H, Hkv, L, S, D, E };
  const blocks = { ...blocksOf(sizes, NORMALISERS[c.normaliser ?? "softmax"]), ...c.blocks };
  const lengths = c.lengths;
  const starts = (which: 0 | 1) => lengths!.reduce((list, pair) => [...list, list.at(-1)! + pair[which]], [0]);
  const [rowsOfQuery, rowsOfKey] = lengths === undefined ? [L, S] : [starts(0).at(-1)!, starts(1).at(-1)!];
  const batches = lengths === undefined ? B : 1;

  let seed = 1;
  const operand = (name: "query" | "key" | "value", heads: number, rows: number, width: number) => {
    const gap = c.strided === true ? 3 : 0;
    const [headStride, rowStride] = c.strided === true ? [width + gap, heads * (width + gap)] : [rows * width, width];
    const batchStride = heads * rows * (width + gap);
    const values = noise(batches * batchStride, seed++);
    for (let b = 0; b < batches; b++)
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < rows; i++)
          for (let d = 0; d < width; d++) {
            const at = b * batchStride + h * headStride + i * rowStride + d;
            values[at] = c.change?.(name, values[at], { b, h, row: i, column: d }) ?? values[at];
          }
    const pointer = w.reals(values, seed % 4);
    const strides = lengths === undefined ? batchStride : 0;
    const fields = { [name]: pointer, [`${name}Batch`]: strides, [`${name}Head`]: headStride, [`${name}Row`]: rowStride };
    if (c.flagged !== true) return fields;
    const flags = w.bytes(batches * heads * rows);
    const count = kernels.flagRows(pointer, batches, heads, rows, width, batchStride, headStride, rowStride, flags);
    const bad = `bad${name[0].toUpperCase()}${name.slice(1)}`;
    return count === 0
      ? fields
      : { ...fields, [bad]: flags, [`${bad}Batch`]: lengths === undefined ? heads * rows : 0, [`${bad}Head`]: rows };
  };
  const result = (name: string, heads: number, rows: number, width: number) => {
    const pointer = w.reals(batches * heads * rows * width, 1);
    const read = () => w.readReals(pointer, batches * heads * rows * width);
    const batch = lengths === undefined ? heads * rows * width : 0;
    return { read, fields: { [name]: pointer, [`${name}Batch`]: batch, [`${name}Head`]: rows * width, [`${name}Row`]: width } };
  };
  const perRow = () => w.reals(batches * H * rowsOfQuery, 3);
  const chunkBatches = c.chunkBatches ?? 1;
  const chunkHeads = c.chunkHeads ?? 1;
  const chunksBack = backwardChunks({ B, Hkv, chunkBatches, chunkHeads });
  const partials: Record<string, () => number[]> = {};
  /** A table that is learned: its values, and zeros for one partial gradient per chunk. */
  const learned = (name: string, count: number) => {
    const gradient = w.reals(Array<number>(count * chunksBack).fill(0), 1);
    partials[name] = () => {
      const all = w.readReals(gradient, count * chunksBack);
      return Array.from({ length: count }, (_, at) => {
        let sum = 0;
        for (let chunk = 0; chunk < chunksBack; chunk++) sum += all[chunk * count + at];
        return sum;
      });
    };
    const values = noise(count, seed++).map((value, at) => c.change?.(name, value, { b: 0, h: 0, row: 0, column: at }) ?? value);
    return { table: w.reals(values, 2), gradient, chunk: count };
  };

  const output = result("output", H, rowsOfQuery, E);
  const lse = perRow();
  const records = (c.biases ?? []).map((bias, index): Partial<BiasRecord> => {
    const name = `bias${index}`;
    if (bias.form === "dense") {
      const [b, h, i, j] = bias.shape;
      const { table, gradient, chunk } = learned(name, b * h * i * j);
      if (bias.closes === true) {
        const view = w.views.real();
        for (let at = 0; at < b * h * i * j; at += 3) view[(table >>> w.views.shift) + at] = -Infinity;
      }
      const strides = [b === 1 ? 0 : h * i * j, h === 1 ? 0 : i * j, i === 1 ? 0 : j, j === 1 ? 0 : 1];
      return denseRecord(table, gradient, chunk, strides);
    }
    if (bias.form === "relative") {
      const n = L + S - 1;
      const { table, gradient, chunk } = learned(name, bias.heads * n);
      const shift = (L - 1) << w.views.shift;
      return denseRecord(table + shift, gradient + shift, chunk, [0, bias.heads === 1 ? 0 : n, -1, 1]);
    }
    const count = bias.form === "grid" ? (2 * bias.rows - 1) * (2 * bias.columns - 1) : (2 * bias.maxDistance + 1) * D;
    const { table, gradient, chunk } = learned(name, bias.heads * count);
    const head = bias.heads === 1 ? 0 : count;
    const common = { form: BIAS_FORMS[bias.form], table, head, gradient, gradientHead: head, gradientChunk: chunk };
    return bias.form === "grid"
      ? { ...common, gridRows: bias.rows, gridColumns: bias.columns, prefix: bias.prefix }
      : { ...common, maxDistance: bias.maxDistance };
  });
  const biases = w.bytes(records.length * BIAS.bytes);
  writeBiases(biases, records);

  const job: Partial<Job> = {
    ...sizes,
    ...blocks,
    ...operand("query", H, rowsOfQuery, D),
    ...operand("key", Hkv, rowsOfKey, D),
    ...operand("value", Hkv, rowsOfKey, E),
    ...output.fields,
    ...(lengths === undefined ? {} : { cuSeqlensQuery: w.ints(starts(0)), cuSeqlensKey: w.ints(starts(1)) }),
    scoreForm: SCORE_FORMS[c.score ?? "dot"],
    scale: c.scale ?? 1 / Math.sqrt(Math.max(D, 1)),
    ...tableFields("scales", c.scales === true ? { ...learned("scales", H), head: 1 } : undefined),
    ...tableFields("vector", c.score === "additive" ? { ...learned("vector", H * D), head: D } : undefined),
    activation: c.activation ?? 0,
    negativeSlope: 0.2,
    softcap: c.softcap ?? 0,
    biasCount: records.length,
    biases,
    ...(typeof c.queryOffset === "object" ? { queryOffsets: w.ints(c.queryOffset) } : { queryOffset: c.queryOffset ?? S - L }),
    ...tableFields(
      "valueTable",
      c.valueTableDistance === undefined ? undefined : { ...learned("valueTable", (2 * c.valueTableDistance + 1) * E), head: 0 },
    ),
    valueTableDistance: c.valueTableDistance ?? 0,
    ...maskFields(w, c, B, H),
    normaliser: NORMALISERS[c.normaliser ?? "softmax"],
    sigmoidBias: c.sigmoidBias ?? 0,
    topK: c.topK ?? 0,
    temperature: c.temperature ?? 1,
    ...tableFields("sink", c.sink === true ? { ...learned("sink", H), head: 1 } : undefined),
    ...(c.dropout === undefined
      ? {}
      : {
          dropoutKey0: 0x12345678,
          dropoutKey1: 0x9abcdef0 | 0,
          ...dropoutFields(c.dropout),
        }),
    rowMaximum: perRow(),
    rowSum: perRow(),
    rowThreshold: perRow(),
    rowTie: perRow(),
    lse,
    savedBatch: lengths === undefined ? H * rowsOfQuery : 0,
    savedHead: rowsOfQuery,
    savedRow: 1,
  };
  const chunks = forwardChunks({ ...sizes, ...blocks });
  const counted = w.bytes(16 * chunks + 8);
  const aligned = Math.ceil(counted / 8) * 8;
  const pointer = Math.ceil(w.bytes(JOB.bytes + 8) / 8) * 8;
  writeJob(pointer, { ...job, counters: aligned });
  const scratch = w.bytes(forwardScratchBytes({ ...sizes, ...blocks }), 0);
  w.views.u8().fill(0xff, scratch, scratch + forwardScratchBytes({ ...sizes, ...blocks })); // NaN
  // In an order of no meaning: chunks are independent.
  for (let chunk = chunks - 1; chunk >= 0; chunk--) kernels.forward(pointer, chunk, chunk + 1, scratch);
  const numbers = new Float64Array(w.views.u8().buffer, aligned, 2 * chunks);
  const total = (which: 0 | 1) => numbers.reduce((sum, n, at) => (at % 2 === which ? sum + n : sum), 0);
  const gradients: Record<string, number[]> = {};
  const done = { output: output.read(), lse: w.readReals(lse, batches * H * rowsOfQuery), counted: { cells: total(0), tiles: total(1) } };

  if (backward !== undefined) {
    const cotangent = { outputGradient: w.reals(noise(batches * H * rowsOfQuery * E, 77), 1) };
    const strides = {
      outputGradientBatch: lengths === undefined ? H * rowsOfQuery * E : 0,
      outputGradientHead: rowsOfQuery * E,
      outputGradientRow: E,
    };
    const [query, key, value] = [
      result("queryGradient", H, rowsOfQuery, D),
      result("keyGradient", Hkv, rowsOfKey, D),
      result("valueGradient", Hkv, rowsOfKey, E),
    ];
    writeJob(pointer, {
      ...job,
      ...cotangent,
      ...strides,
      ...query.fields,
      ...key.fields,
      ...value.fields,
      lseGradient: c.lseGradient === true ? w.reals(noise(batches * H * rowsOfQuery, 78), 2) : 0,
      chunkBatches,
      chunkHeads,
    });
    const bytes = backwardScratchBytes({ ...sizes, ...blocks });
    const space = w.bytes(bytes);
    w.views.u8().fill(0xff, space, space + bytes);
    for (let chunk = chunksBack - 1; chunk >= 0; chunk--) backward.backward(pointer, chunk, chunk + 1, space);
    Object.assign(gradients, { query: query.read(), key: key.read(), value: value.read() });
    for (const [name, read] of Object.entries(partials)) gradients[name] = read();
  }
  return { ...done, gradients };
}

function denseRecord(table: number, gradient: number, chunk: number, strides: readonly number[]): Partial<BiasRecord> {
  const [batch, head, row, column] = strides;
  return {
    form: BIAS_FORMS.dense,
    table,
    batch,
    head,
    row,
    column,
    gradient,
    gradientBatch: batch,
    gradientHead: head,
    gradientRow: row,
    gradientColumn: column,
    gradientChunk: chunk,
  };
}

function tableFields(
  name: "scales" | "vector" | "valueTable" | "sink",
  of: { table: number; gradient: number; chunk: number; head: number } | undefined,
): Partial<Job> {
  if (of === undefined) return {};
  return { [name]: of.table, [`${name}Head`]: of.head, [`${name}Gradient`]: of.gradient, [`${name}GradientChunk`]: of.chunk };
}

function maskFields(w: Workspace, { ranges, opens, L, S }: Case, B: number, H: number): Partial<Job> {
  if (ranges !== undefined) {
    const rows = Array.from({ length: B * H * L }, (_, at) => ranges(Math.floor(at / (H * L)), Math.floor(at / L) % H, at % L));
    const count = rows.some((row) => row.length > 2) ? 2 : 1;
    const bounds = rows.flatMap((row) => [...row, 0, 0, 0, 0].slice(0, 2 * count));
    return {
      maskForm: MASK_FORMS.ranges,
      bounds: w.ints(bounds),
      ranges: count,
      maskBatch: H * L * 2 * count,
      maskHead: L * 2 * count,
    };
  }
  if (opens === undefined) return { maskForm: MASK_FORMS.none };
  const [down, across] = [Math.ceil(L / 64), Math.ceil(S / 64)];
  const verdicts: number[] = [];
  const bitsAt: number[] = [];
  const bits: number[] = [];
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let r = 0; r < down; r++)
        for (let c = 0; c < across; c++) {
          const tile = Array<number>(512).fill(0);
          let [open, all] = [0, 0];
          for (let i = 64 * r; i < Math.min(64 * r + 64, L); i++)
            for (let j = 64 * c; j < Math.min(64 * c + 64, S); j++) {
              all++;
              if (!opens(b, h, i, j)) continue;
              open++;
              const bit = (i % 64) * 64 + (j % 64);
              tile[bit >> 3] |= 1 << (bit & 7);
            }
          verdicts.push(open === 0 ? 0 : open === all ? 1 : 2);
          bitsAt.push(open === 0 || open === all ? -1 : bits.length);
          if (open !== 0 && open !== all) bits.push(...tile);
        }
  return {
    maskForm: MASK_FORMS.tiles,
    verdicts: w.bytes(verdicts),
    bitsAt: w.ints(bitsAt),
    bits: w.bytes(bits),
    maskBatch: H * down * across,
    maskHead: down * across,
  };
}
