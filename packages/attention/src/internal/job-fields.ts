import { copyBytes, uint8View, type Family } from "@heed/kernels/light";
import { broadcastStrides, bytesPer, rowMajor, type Scratch, type Shape, type Tensor } from "@heed/tensor/light";
import type { BiasForm, MaskForm } from "@heed/tensor/terms";
import type { Normaliser, StraightThrough } from "../normalisers.ts";
import {
  ACTIVATIONS,
  BIAS,
  BIAS_FORMS,
  JOB,
  MASK_FORMS,
  NORMALISERS,
  SCORE_FORMS,
  writeBiases,
  writeJob,
  writeOperand,
  type BiasRecord,
  type Job,
} from "../streaming/job.ts";
import type { Sizes } from "../streaming/plan.ts";
import { dropoutFields } from "../streaming/dropout-fields.ts";
import type { StreamingKernels } from "../streaming/compiled.ts";
import { numberOf, type Plan } from "./call-plan.ts";
import type { Lowered } from "./lower.ts";
import { QUERY, SCALE, SINK, TABLES, VALUE_TABLE, VECTOR, type Slots } from "./operands.ts";

/** What a kernel's call knows: a plan, operands and where they lie. */
export interface Body {
  readonly kernels: Family<StreamingKernels>;
  readonly lowered: Lowered;
  readonly plan: Plan;
  readonly operands: Slots;
  /** Of the operands, then of `fixedTables`. */
  readonly at: readonly number[];
  readonly scratch: Scratch;
}

/** Makes the job of a call and returns where it is: what forward and backward share, and `own`. Biases and pass are the caller's. */
export function makeJob(body: Body, poisoned: boolean, ...own: readonly Partial<Job>[]): number {
  const { lowered, plan, operands, at, scratch } = body;
  const parts = own.slice();
  addTerms(parts, body);
  if (poisoned) parts.push(...badFields(body));
  const job = scratch(JOB.bytes);
  const { packing } = lowered.call;
  const { L } = plan.rows;
  writeJob(job, plan.cut, { savedBatch: packing ? 0 : plan.sizes.H * L, savedHead: L, savedRow: 1 }, ...parts);
  for (const [slot, name] of OPERANDS.entries()) writeOperand(job, name, at[slot], operands[slot]!.shape, operands[slot]!.strides);
  return job;
}

/** Of the first slots. */
const OPERANDS = ["query", "key", "value"] as const;

/** The fields of what this call has besides query, key and value. */
function addTerms(parts: Partial<Job>[], { lowered, plan, operands, at, scratch }: Body): void {
  const { call, score, mask, biases } = lowered;
  const { dropout, packing, normaliser, softcap, context, sink } = call;
  const { queryOffset } = context;
  const [, , , scales, vector, , table] = operands;
  parts.push(
    { scoreForm: SCORE_FORMS[score.form], scale: score.form !== "additive" && typeof score.scale === "number" ? score.scale : 1 },
    { softcap, biasCount: biases.length, sink: at[SINK], sinkHead: sink && 1 },
    typeof queryOffset === "number" ? { queryOffset } : { queryOffsets: put(queryOffset, scratch) },
  );
  if (scales) parts.push({ scales: at[SCALE], scalesHead: scales.size > 1 ? 1 : 0 });
  if (vector) parts.push({ vector: at[VECTOR], vectorHead: vector.rank === 2 ? headStride(vector) : 0 });
  if (score.form === "additive") parts.push({ activation: ACTIVATIONS[score.activation], negativeSlope: score.negativeSlope ?? 0.01 });
  if (packing) parts.push({ cuSeqlensQuery: put(packing.query, scratch), cuSeqlensKey: put(packing.key, scratch) });
  if (mask) parts.push(maskFields(mask, plan.sizes, scratch));
  if (normaliser.kind !== "softmax") parts.push(normaliserFields(normaliser));
  if (table) parts.push({ valueTable: at[VALUE_TABLE], valueTableHead: headStride(table), valueTableDistance: (table.shape[1] - 1) / 2 });
  if (dropout) parts.push({ ...dropoutFields(dropout.p), dropoutKey0: dropout.key.words[0], dropoutKey1: dropout.key.words[1] });
}

/** Of a table with an axis of heads in front. */
const headStride = ({ shape: [heads], size }: Tensor): number => (heads > 1 ? size / heads : 0);

/** What forward keeps of each row for backward. */
export function savedRows(normaliser: Normaliser): readonly ("rowMaximum" | "rowSum" | "rowThreshold" | "rowTie")[] {
  const kind = numberOf(normaliser);
  if (kind === NORMALISERS.topK || kind === NORMALISERS.straightThrough) return ["rowMaximum", "rowSum", "rowThreshold", "rowTie"];
  return kind > NORMALISERS.topK ? ["rowMaximum", "rowSum", "rowThreshold"] : ["rowMaximum", "rowSum"];
}

function normaliserFields(normaliser: Normaliser): Partial<Job> {
  return {
    normaliser: numberOf(normaliser),
    sigmoidBias: normaliser.kind === "sigmoid" ? normaliser.bias : undefined,
    topK: normaliser.kind === "topK" ? normaliser.k : undefined,
    ...(normaliser.kind === "hard" ? straightThroughFields(normaliser.straightThrough) : {}),
  };
}

function straightThroughFields({ temperature = 1, key }: StraightThrough = {}): Partial<Job> {
  return { temperature, ...(key === undefined ? {} : { noise: 1, noiseKey0: key.words[0], noiseKey1: key.words[1] }) };
}

function maskFields(mask: MaskForm, { L, S }: Sizes, scratch: Scratch): Partial<Job> {
  const { batches, heads } = mask;
  const each = mask.form === "ranges" ? L * mask.ranges * 2 : Math.ceil(L / mask.rows) * Math.ceil(S / mask.columns);
  const strides = { maskBatch: batches > 1 ? heads * each : 0, maskHead: heads > 1 ? each : 0 };
  if (mask.form === "ranges") return { maskForm: MASK_FORMS.ranges, bounds: put(mask.bounds, scratch), ranges: mask.ranges, ...strides };
  return {
    maskForm: MASK_FORMS.tiles,
    verdicts: put(mask.verdicts, scratch),
    bitsAt: put(mask.bitsAt, scratch),
    bits: put(mask.bits, scratch),
    ...strides,
  };
}

/** What a record of a bias says of a table of that shape. */
function biasRecord(
  bias: BiasForm,
  { B, H, L, S }: Sizes,
  shape: Shape,
  strides: Shape,
  pointer: number,
  width: number,
): Partial<BiasRecord> {
  const [first, rows, columns] = shape;
  switch (bias.form) {
    case "dense": {
      const [batch, head, row, column] = broadcastStrides(shape, strides, [B, H, L, S]);
      return { form: BIAS_FORMS.dense, table: pointer, batch, head, row, column };
    }
    case "relative": {
      // [samples, heads, L + S − 1], read at j − i + L − 1
      const table = pointer + Math.max(L - 1, 0) * width;
      return { form: BIAS_FORMS.dense, table, batch: first > 1 ? rows * columns : 0, head: rows > 1 ? columns : 0, row: -1, column: 1 };
    }
    case "grid": {
      const [gridRows, gridColumns] = [(rows + 1) / 2, (columns + 1) / 2];
      return { form: BIAS_FORMS.grid, table: pointer, head: first > 1 ? rows * columns : 0, gridRows, gridColumns, prefix: bias.prefix };
    }
    case "queryRelative":
      return { form: BIAS_FORMS.queryRelative, table: pointer, head: first > 1 ? rows * columns : 0, maxDistance: bias.maxDistance };
  }
}

/** Where a gradient is added up: one place, or one per chunk, so many elements apart. */
export interface Target {
  readonly pointer: number;
  readonly chunk: number;
}

/** Writes the records of biases, with their gradients where those are wanted. */
export function putBiases({ lowered, plan, operands, at, scratch }: Body, gradients: readonly (Target | undefined)[] = []): number {
  const { biases } = lowered;
  if (biases.length === 0) return 0;
  const width = bytesPer(plan.dtype);
  const pointer = scratch(BIAS.bytes * biases.length);
  const records = biases.map((bias, i): Partial<BiasRecord> => {
    const table = operands[TABLES + i]!;
    const record = biasRecord(bias, plan.sizes, table.shape, table.strides, at[TABLES + i], width);
    const gradient = gradients[i];
    if (gradient === undefined) return record;
    const own = biasRecord(bias, plan.sizes, table.shape, rowMajor(table.shape), gradient.pointer, width);
    return {
      ...record,
      gradient: own.table,
      gradientBatch: own.batch,
      gradientHead: own.head,
      gradientRow: own.row,
      gradientColumn: own.column,
      gradientChunk: gradient.chunk,
    };
  });
  writeBiases(pointer, records);
  return pointer;
}

/** Writes what the pass of a scoreMod reads, with the gradients of its tables where those are wanted. */
export function putPass({ lowered, operands, at, scratch }: Body, gradients: readonly (Target | undefined)[] = []): number {
  const { biases, scoreMod } = lowered;
  if (scoreMod === undefined) return 0;
  const first = TABLES + biases.length;
  let fixed = operands.length;
  const tables = scoreMod.tables.map(({ shape }, n) => ({
    shape,
    pointer: operands[first + n] === undefined ? at[fixed++] : at[first + n],
    gradient: gradients[n]?.pointer ?? 0,
    gradientChunk: gradients[n]?.chunk ?? 0,
  }));
  const pointer = scratch(scoreMod.bytes);
  scoreMod.write(pointer, tables);
  return pointer;
}

/** Whether some row of query, key or value is not finite, where a mask, or a bias with −∞ in it, closes pairs: such rows must be kept from being heard. */
export function isPoisoned(body: Body): boolean {
  const { lowered, operands, at } = body;
  const some = (first: number, last: number) =>
    operands.slice(first, last).some((x, i) => x !== undefined && flagRowsOf(body, x, at[first + i]).count > 0);
  return (lowered.mask !== undefined || some(TABLES, TABLES + lowered.biases.length)) && some(QUERY, SCALE);
}

const badFields = (body: Body): Partial<Job>[] =>
  (["Query", "Key", "Value"] as const).map((name, slot) => {
    const { flags, batch, head } = flagRowsOf(body, body.operands[slot]!, body.at[slot]);
    return { [`bad${name}`]: flags, [`bad${name}Batch`]: batch, [`bad${name}Head`]: head };
  });

/** Flags of rows that are not finite, how many, and the strides of flags. */
function flagRowsOf({ kernels, plan, scratch }: Body, { shape, strides }: Tensor, pointer: number) {
  const [b, h, n, width] = [1, 1, 1, 1, ...shape].slice(-4);
  const [batch, head, row] = [0, 0, 0, 0, ...strides].slice(-4);
  const flags = scratch(b * h * n);
  const count = kernels.on(plan.dtype).flagRows(pointer, b, h, n, width, batch, head, row, flags);
  return { flags, count, batch: b === 1 ? 0 : h * n, head: n };
}

/** Copies an array into scratch space, and tells where. */
export function put(values: Int32Array | Float64Array | Uint8Array, scratch: Scratch): number {
  const { buffer, byteOffset, byteLength } = values;
  const pointer = scratch(byteLength);
  copyBytes(new Uint8Array(buffer, byteOffset, byteLength), 0, uint8View(), pointer, byteLength);
  return pointer;
}
