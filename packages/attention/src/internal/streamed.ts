import { float64View, int32View, reduceKernels, runParallel, uint8View } from "@heed/kernels";
import { sum, Tensor, transpose, zeros } from "@heed/tensor";
import {
  broadcastStrides,
  bytesPer,
  compute,
  isRecording,
  packed,
  recordFusedGradient,
  recordMany,
  rowMajor,
  type OutputSpec,
  type RealDType,
  type Scratch,
  type Shape,
} from "@heed/tensor/operation";
import type { BiasForm, MaskForm, ScoreForm } from "@heed/tensor/terms";
import type { Normaliser } from "../normalisers.ts";
import { streamingBackward } from "../streaming-backward/streaming-backward.ts";
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
  type BiasRecord,
  type Job,
} from "../streaming/job.ts";
import { backwardScratchBytes, blocksOf, forwardChunks, forwardScratchBytes, type Blocks, type Sizes } from "../streaming/plan.ts";
import { streaming } from "../streaming/streaming.ts";
import { chunksOf, type Chunking, type Shared } from "./chunks.ts";
import { dense } from "./dense.ts";
import { biasOfForm, scoreOfForm } from "./forms.ts";
import type { Lowered } from "./lower.ts";

// Operands that a gradient may be asked of have slots in a fixed order; tables of biases follow.
const [QUERY, KEY, VALUE, SCALE, VECTOR, SINK, VALUE_TABLE, TABLES] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
type Slots = readonly (Tensor | undefined)[];

/**
 * Attention by the streaming kernel, recorded as one operation. A second derivative goes by the dense definition of the operand forms.
 * @param counters for tests: two numbers per forward chunk, scores computed and tiles packed
 * @returns output `[B, H, L, E]` (packed: `[1, H, tokens, E]`), laid out in memory as the query is; lse without the last axis
 */
export function streamed(lowered: Lowered, wantsLse: boolean, counters?: Float64Array): { output: Tensor; lse?: Tensor } {
  const { call } = lowered;
  const plan = planOf(lowered);
  const { dtype, sizes, rows } = plan;
  const slots = slotsOf(lowered);
  const inputs = present(slots);
  const operands = operandsOf(lowered, slots);
  const records = isRecording() && inputs.some((x) => x.requiresGrad);

  const turned = rowsFirst(call.query);
  const { H, E } = sizes;
  const outputShape = turned ? [rows.B, rows.L, H, E] : [rows.B, H, rows.L, E];
  const rowSpec: OutputSpec = { shape: [rows.B, H, rows.L], dtype };
  const specs = [{ shape: outputShape, dtype }, ...(records ? [rowSpec, rowSpec] : []), ...(wantsLse ? [rowSpec] : [])];
  let poison: Poison = { closes: false, bad: false };
  const [out, ...perRow] = compute("attention", present(operands), specs, (reads, [output, ...writes], scratch) => {
    const body: Body = { lowered, plan, operands, at: addresses(reads, operands), scratch };
    poison = poisonOf(body);
    const counted = counters === undefined ? 0 : putDoubles(counters.fill(0), scratch);
    const pointer = scratch(JOB.bytes);
    writeJob(pointer, {
      ...fields(body, poison),
      ...savedFields(lowered, plan),
      biases: putBiases(body),
      ...strided("output", output, outputShape, rowMajor(outputShape), turned),
      rowMaximum: records ? writes[0] : 0,
      rowSum: records ? writes[1] : 0,
      lse: wantsLse ? writes.at(-1)! : 0,
      counters: counted,
    });
    const work = plan.pairs * 2 * (sizes.D + E);
    runParallel(streaming, dtype, "forward", pieces(pointer, plan.forwardChunks, work), {
      work,
      scratch: { argument: 3, bytes: forwardScratchBytes(plan.cut), allocate: scratch },
    });
    counters?.set(float64View().subarray(counted >>> 3, (counted >>> 3) + counters.length));
  });
  const lse = wantsLse ? perRow.at(-1)! : undefined;
  const [rowMaximum, rowSum] = perRow;

  if (records) {
    const results = lse === undefined ? [out] : [out, lse];
    recordMany("attention", results, inputs, [...inputs, out, rowMaximum, rowSum], ([g, ofLse], needs) => {
      const cotangent = g ?? zeros(outputShape, { dtype });
      const kept = { out, rowMaximum, rowSum };
      const wanted = inSlots(needs, slots).map((need) => need === true);
      const gradients = backward({ lowered, plan }, slots, wanted, poison, kept, cotangent, ofLse);
      const all = gradients.filter((_, slot) => slots[slot] !== undefined);
      const cotangents = ofLse === undefined ? [cotangent] : [cotangent, ofLse];
      recordFusedGradient("gradient of attention", all, inputs, cotangents, (...given) => {
        const again = dense(callOfForms(lowered, inSlots(given, slots)), new Set(ofLse === undefined ? [] : ["lse"]));
        const output = turned ? transpose(again.output, 1, 2) : again.output;
        return ofLse === undefined ? [output] : [output, again.lse];
      });
      return all;
    });
  }
  return { output: turned ? transpose(out, 1, 2) : out, ...(lse === undefined ? {} : { lse }) };
}

/** What a call comes to, by shapes alone. */
export interface Plan {
  readonly dtype: RealDType;
  readonly sizes: Sizes;
  readonly cut: Sizes & Blocks;
  /** Samples and rows of queries and keys as they lie in memory: packed, one sample of all tokens. */
  readonly rows: { readonly B: number; readonly L: number; readonly S: number };
  readonly forwardChunks: number;
  readonly backward: Chunking;
  /** Bytes of partial gradients. */
  readonly partialBytes: number;
  /** Pairs of query and key, if none were masked. */
  readonly pairs: number;
}

export function planOf(lowered: Lowered): Plan {
  const { call, score } = lowered;
  const { B, H, L, S } = call.context;
  const dtype = call.query.dtype as RealDType;
  const sizes: Sizes = { B, H, Hkv: H / call.group, L, S, D: score.query.shape[3], E: call.value.shape[3] };
  const cut = { ...sizes, ...blocksOf(sizes) };
  const rows = call.packing === undefined ? { B, L, S } : { B: 1, L: call.query.shape[2], S: call.key.shape[2] };
  const shared = sharedOf(lowered, slotsOf(lowered)).map(({ shared: one }) => one);
  const backward = chunksOf(B, sizes.Hkv, shared, bytesPer(dtype));
  return {
    dtype,
    sizes,
    cut,
    rows,
    forwardChunks: forwardChunks(cut),
    backward,
    partialBytes: backward.bytes,
    pairs: B * H * L * S,
  };
}

function slotsOf({ call, score, biases }: Lowered): Slots {
  const scale = score.form !== "additive" && score.scale instanceof Tensor ? score.scale : undefined;
  const vector = score.form === "additive" ? score.vector : undefined;
  return [score.query, score.key, call.value, scale, vector, call.sink, call.valueTable, ...biases.map(tableOf)];
}

function tableOf(bias: BiasForm): Tensor {
  return bias.form === "dense" ? bias.bias : bias.table;
}

/** The same operands, laid out as kernels read them: copied only where they have to be. */
function operandsOf({ biases }: Lowered, slots: Slots): Slots {
  return slots.map((x, slot) => {
    if (x === undefined) return undefined;
    const inRows = slot <= VALUE || (slot >= TABLES && biases[slot - TABLES].form === "dense");
    if (!inRows) return packed(x);
    const last = x.rank - 1;
    const step = x.rank === 0 || x.shape[last] <= 1 ? 1 : x.strides[last];
    return step === 1 || (slot >= TABLES && step === 0) ? x : packed(x);
  });
}

function callOfForms({ call, score, biases }: Lowered, at: Slots) {
  const [query, key, value, scale, vector, sink, valueTable, ...tables] = at;
  const form = {
    ...score,
    query: query!,
    key: key!,
    ...(scale === undefined ? {} : { scale }),
    ...(vector === undefined ? {} : { vector }),
  } as ScoreForm;
  const forms = biases.map((bias, i) => (bias.form === "dense" ? { ...bias, bias: tables[i]! } : { ...bias, table: tables[i]! }));
  return { ...call, query: query!, key: key!, value: value!, score: scoreOfForm(form), biases: forms.map(biasOfForm), sink, valueTable };
}

/** Whether the rows of all heads lie side by side: `[B, L, H, D]` in memory, seen as `[B, H, L, D]`. */
function rowsFirst({ shape, strides }: Tensor): boolean {
  return shape[1] > 1 && shape[2] > 1 && strides[1] < strides[2];
}

type StridedName = "query" | "key" | "value" | "output" | "outputGradient" | "queryGradient" | "keyGradient" | "valueGradient";

/** An operand of rank 4 in a job; `turned`: its axes are `[B, L, H, D]`. */
function strided(name: StridedName, pointer: number, shape: Shape, strides: Shape, turned = false): Partial<Job> {
  const [head, row] = turned ? [2, 1] : [1, 2];
  return {
    [name]: pointer,
    [`${name}Batch`]: shape[0] === 1 ? 0 : strides[0],
    [`${name}Head`]: strides[head],
    [`${name}Row`]: strides[row],
  };
}

/** What a kernel's call knows: a plan, operands and where they lie. */
interface Body {
  readonly lowered: Lowered;
  readonly plan: Plan;
  readonly operands: Slots;
  readonly at: readonly number[];
  readonly scratch: Scratch;
}

/** The fields of a job that forward and backward share, but for biases. */
function fields(body: Body, poison: Poison): Partial<Job> {
  const { lowered, plan, operands, at, scratch } = body;
  const { call, score, mask } = lowered;
  const [query, key, value, scale, vector, sink, valueTable] = operands;
  const { queryOffset } = call.context;
  const offsets = typeof queryOffset !== "number";
  return {
    ...plan.cut,
    ...strided("query", at[QUERY], query!.shape, query!.strides),
    ...strided("key", at[KEY], key!.shape, key!.strides),
    ...strided("value", at[VALUE], value!.shape, value!.strides),
    cuSeqlensQuery: call.packing === undefined ? 0 : putInts(call.packing.query, scratch),
    cuSeqlensKey: call.packing === undefined ? 0 : putInts(call.packing.key, scratch),
    scoreForm: SCORE_FORMS[score.form],
    scale: score.form !== "additive" && typeof score.scale === "number" ? score.scale : 1,
    scales: at[SCALE],
    scalesHead: scale !== undefined && scale.size > 1 ? 1 : 0,
    vector: at[VECTOR],
    vectorHead: vector?.rank === 2 && vector.shape[0] > 1 ? vector.shape[1] : 0,
    activation: score.form === "additive" ? ACTIVATIONS[score.activation] : 0,
    negativeSlope: score.form === "additive" ? (score.negativeSlope ?? 0.01) : 0,
    softcap: call.softcap ?? 0,
    biasCount: lowered.biases.length,
    queryOffsets: offsets ? putInts(queryOffset, scratch) : 0,
    queryOffset: offsets ? 0 : queryOffset,
    valueTable: at[VALUE_TABLE],
    valueTableHead: valueTable !== undefined && valueTable.shape[0] > 1 ? valueTable.shape[1] * valueTable.shape[2] : 0,
    valueTableDistance: valueTable === undefined ? 0 : (valueTable.shape[1] - 1) / 2,
    ...maskFields(mask, plan.sizes, scratch),
    ...normaliserFields(call.normaliser),
    sink: at[SINK],
    sinkHead: sink === undefined ? 0 : 1,
    ...(call.dropout === undefined
      ? {}
      : {
          dropout: 1,
          dropoutKey0: call.dropout.key.words[0],
          dropoutKey1: call.dropout.key.words[1],
          dropoutLimit: Math.round((1 - call.dropout.p) * 2 ** 32) - 1,
          dropoutFactor: 1 / (1 - call.dropout.p),
        }),
    ...(poison.bad ? badFields(body) : {}),
  };
}

function savedFields({ call }: Lowered, { sizes, rows }: Plan): Partial<Job> {
  return { savedBatch: call.packing === undefined ? sizes.H * rows.L : 0, savedHead: rows.L, savedRow: 1 };
}

function normaliserFields(normaliser: Normaliser): Partial<Job> {
  if (normaliser.kind === "relu") return { normaliser: normaliser.divideBy === "count" ? NORMALISERS.reluCount : NORMALISERS.reluSum };
  return {
    normaliser: NORMALISERS[normaliser.kind],
    sigmoidBias: normaliser.kind === "sigmoid" ? normaliser.bias : 0,
    topK: normaliser.kind === "topK" ? normaliser.k : 0,
  };
}

function maskFields(mask: MaskForm | undefined, { L, S }: Sizes, scratch: Scratch): Partial<Job> {
  if (mask === undefined) return { maskForm: MASK_FORMS.none };
  const { batches, heads } = mask;
  const each = mask.form === "ranges" ? L * mask.ranges * 2 : Math.ceil(L / mask.rows) * Math.ceil(S / mask.columns);
  const strides = { maskBatch: batches > 1 ? heads * each : 0, maskHead: heads > 1 ? each : 0 };
  if (mask.form === "ranges")
    return { maskForm: MASK_FORMS.ranges, bounds: putInts(mask.bounds, scratch), ranges: mask.ranges, ...strides };
  return {
    maskForm: MASK_FORMS.tiles,
    verdicts: putBytes(mask.verdicts, scratch),
    bitsAt: putInts(mask.bitsAt, scratch),
    bits: putBytes(mask.bits, scratch),
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

/** Writes the records of biases, with their gradients where those are wanted. */
function putBiases({ lowered, plan, operands, at, scratch }: Body, gradients: readonly (Target | undefined)[] = []): number {
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

/** Whether rows that are not finite must be kept from being heard; found by forward, read again by backward. */
interface Poison {
  /** A mask, or a bias with −∞ in it, closes pairs. */
  closes: boolean;
  /** Some row of query, key or value is not finite. */
  bad: boolean;
}

function poisonOf({ lowered, plan, operands, at, scratch }: Body): Poison {
  const { flagRows } = streaming.on(plan.dtype);
  const count = (x: Tensor, pointer: number) => {
    const [b, h, n, width] = [1, 1, 1, 1, ...x.shape].slice(-4);
    const [batch, head, row] = [0, 0, 0, 0, ...x.strides].slice(-4);
    return flagRows(pointer, b, h, n, width, batch, head, row, scratch(b * h * n));
  };
  const some = (first: number, last: number) => operands.slice(first, last).some((x, i) => x !== undefined && count(x, at[first + i]) > 0);
  const closes = lowered.mask !== undefined || some(TABLES, operands.length);
  return { closes, bad: closes && some(QUERY, SCALE) };
}

/** Flags of rows that are not finite. */
function badFields({ plan, operands, at, scratch }: Body): Partial<Job> {
  const { flagRows } = streaming.on(plan.dtype);
  const fieldsOf = (name: "Query" | "Key" | "Value", slot: number) => {
    const { shape, strides } = operands[slot]!;
    const [b, h, n, width] = shape;
    const flags = scratch(b * h * n);
    flagRows(at[slot], b, h, n, width, strides[0], strides[1], strides[2], flags);
    return { [`bad${name}`]: flags, [`bad${name}Batch`]: b === 1 ? 0 : h * n, [`bad${name}Head`]: n };
  };
  return { ...fieldsOf("Query", QUERY), ...fieldsOf("Key", KEY), ...fieldsOf("Value", VALUE) };
}

/** Where a gradient is added up: one place, or one per chunk, so many elements apart. */
interface Target {
  readonly pointer: number;
  readonly chunk: number;
}

/** Gradients that samples or heads may share, by slot. */
function sharedOf({ call: { context }, biases }: Lowered, slots: Slots): { slot: number; shared: Shared }[] {
  const { B, H, L, S } = context;
  return slots.flatMap((x, slot) => {
    if (x === undefined || slot <= VALUE) return [];
    const form = slot < TABLES ? undefined : biases[slot - TABLES].form;
    let [perSample, perHead] = [false, x.rank > 1 && x.shape[0] > 1];
    if (slot === SCALE || slot === SINK) perHead = x.size > 1;
    if (form === "dense") {
      const strides = broadcastStrides(x.shape, rowMajor(x.shape), [B, H, L, S]);
      [perSample, perHead] = [strides[0] > 0, strides[1] > 0];
    }
    if (form === "relative") [perSample, perHead] = [x.shape[0] > 1, x.shape[1] > 1];
    return [{ slot, shared: { size: x.size, perSample: perSample || B === 1, perHead: perHead || H === 1 } }];
  });
}

function backward(
  body: Omit<Body, "operands" | "at" | "scratch">,
  slots: Slots,
  needs: readonly boolean[],
  poison: Poison,
  kept: { readonly out: Tensor; readonly rowMaximum: Tensor; readonly rowSum: Tensor },
  cotangent: Tensor,
  ofLse: Tensor | undefined,
): (Tensor | undefined)[] {
  const { lowered, plan } = body;
  const { call } = lowered;
  const { dtype, rows, sizes } = plan;
  const operands = operandsOf(lowered, slots);
  const { out } = kept;
  const turned = rowsFirst(call.query);
  const g = cotangent.strides[3] === 1 || cotangent.shape[3] <= 1 ? cotangent : packed(cotangent);
  const read = [...operands, out, kept.rowMaximum, kept.rowSum, g, ofLse === undefined ? undefined : packed(ofLse)];
  // Gradients lie in memory as their operands do.
  const shapes = slots.map((x, slot): Shape | undefined => {
    if (x === undefined || !needs[slot]) return undefined;
    if (slot > VALUE) return x.shape;
    const [, heads, length, width] = x.shape;
    return rowsFirst(x) ? [rows.B, length, heads, width] : [rows.B, heads, length, width];
  });
  const outputs = present(shapes).map((shape) => ({ shape, dtype }));
  const width = bytesPer(dtype);
  const results = compute("gradient of attention", present(read), outputs, (reads, writes, scratch) => {
    const at = addresses(reads, read);
    const to = addresses(writes, shapes);
    const inBody: Body = { ...body, operands, at, scratch };
    const { backward: cut } = plan;
    const targets: (Target | undefined)[] = slots.map(() => undefined);
    const partials: { from: number; to: number; size: number }[] = [];
    sharedOf(lowered, slots).forEach(({ slot, shared: { size } }, i) => {
      if (shapes[slot] === undefined) return;
      const count = cut.partial[i] ? cut.chunks : 1;
      const pointer = cut.partial[i] ? scratch(count * size * width) : to[slot];
      uint8View().fill(0, pointer, pointer + count * size * width);
      targets[slot] = { pointer, chunk: cut.partial[i] ? size : 0 };
      if (cut.partial[i]) partials.push({ from: pointer, to: to[slot], size });
    });
    const sums = (name: string, slot: number) => ({ [name]: targets[slot]?.pointer ?? 0, [`${name}Chunk`]: targets[slot]?.chunk ?? 0 });
    const gradient = (name: StridedName, slot: number) =>
      shapes[slot] === undefined ? {} : strided(name, to[slot], shapes[slot], rowMajor(shapes[slot]), rowsFirst(slots[slot]!));
    const first = slots.length;
    const job: Partial<Job> = {
      ...fields(inBody, poison),
      ...savedFields(lowered, plan),
      biases: putBiases(inBody, targets.slice(TABLES)),
      ...strided("output", at[first], out.shape, out.strides, turned),
      rowMaximum: at[first + 1],
      rowSum: at[first + 2],
      ...strided("outputGradient", at[first + 3], g.shape, g.strides, turned),
      lseGradient: at[first + 4],
      ...gradient("queryGradient", QUERY),
      ...gradient("keyGradient", KEY),
      ...gradient("valueGradient", VALUE),
      chunkBatches: cut.chunkBatches,
      chunkHeads: cut.chunkHeads,
      ...sums("scalesGradient", SCALE),
      ...sums("vectorGradient", VECTOR),
      ...sums("sinkGradient", SINK),
      ...sums("valueTableGradient", VALUE_TABLE),
    };
    const pointer = scratch(JOB.bytes);
    writeJob(pointer, job);
    const work = plan.pairs * 2 * (3 * sizes.D + 2 * sizes.E);
    runParallel(streamingBackward, dtype, "backward", pieces(pointer, cut.chunks, work), {
      work,
      scratch: { argument: 3, bytes: backwardScratchBytes(plan.cut), allocate: scratch },
    });
    for (const { from, to: sum, size } of partials) reduceKernels.on(dtype).sum(from, sum, 1, cut.chunks, size);
  });
  const found = inSlots(results, shapes);
  return slots.map((x, slot) => {
    const gradient = found[slot];
    if (x === undefined || gradient === undefined || slot > VALUE) return gradient;
    const own = rowsFirst(x) ? transpose(gradient, 1, 2) : gradient;
    return own.shape[0] === x.shape[0] ? own : sum(own, 0, { keepDims: true });
  });
}

/** Work of a call at least, some 20 µs: what a call costs besides is then little. */
const PIECE = 1e6;

/** One call per chunk; many chunks, and small ones, go several to a call. */
function pieces(job: number, chunks: number, work: number): number[][] {
  const small = Math.floor((PIECE * chunks) / Math.max(work, 1));
  const each = Math.min(Math.max(Math.ceil(chunks / 1024), small, 1), Math.max(chunks, 1));
  return Array.from({ length: Math.ceil(chunks / each) }, (_, i) => [job, i * each, Math.min((i + 1) * each, chunks), 0]);
}

function putInts(values: Int32Array, scratch: Scratch): number {
  const pointer = scratch(values.byteLength);
  int32View().set(values, pointer >>> 2);
  return pointer;
}

function putDoubles(values: Float64Array, scratch: Scratch): number {
  const pointer = scratch(values.byteLength);
  float64View().set(values, pointer >>> 3);
  return pointer;
}

function putBytes(values: Uint8Array, scratch: Scratch): number {
  const pointer = scratch(values.byteLength);
  uint8View().set(values, pointer);
  return pointer;
}

function present<T>(slots: readonly (T | undefined)[]): T[] {
  return slots.filter((slot): slot is T => slot !== undefined);
}

/** Values in the order of the filled slots; undefined where a slot is empty. */
function inSlots<T>(values: readonly T[], slots: readonly unknown[]): (T | undefined)[] {
  let next = 0;
  return slots.map((slot) => (slot === undefined ? undefined : values[next++]));
}

function addresses(values: readonly number[], slots: readonly unknown[]): number[] {
  return inSlots(values, slots).map((value) => value ?? 0);
}
