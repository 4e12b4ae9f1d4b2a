import { int32View, reduceKernels, runParallel, zeroBytes } from "@heed/kernels";
import { sum, Tensor, transpose, zeros } from "@heed/tensor";
import {
  broadcastStrides,
  bytesPer,
  compute,
  packed,
  recordFusedGradient,
  recordMany,
  rowMajor,
  type RealDType,
  type Shape,
} from "@heed/tensor/operation";
import type { ScoreForm } from "@heed/tensor/terms";
import { streamingBackward } from "../streaming-backward/streaming-backward.ts";
import { writeOperand } from "../streaming/job.ts";
import { backwardScratchBytes } from "../streaming/plan.ts";
import { streaming } from "../streaming/streaming.ts";
import { pieces } from "./call-plan.ts";
import { chunksOf, type Chunking, type Shared } from "./chunks.ts";
import { dense } from "./dense.ts";
import { biasOfForm, scoreModOfTables, scoreOfForm } from "./forms.ts";
import { makeJob, put, putBiases, putPass, savedRows, type Body, type Target } from "./job-fields.ts";
import type { Lowered } from "./lower.ts";
import {
  addresses,
  fixedTables,
  inSlots,
  KEY,
  operandsOf,
  present,
  QUERY,
  rowsFirst,
  SCALE,
  SINK,
  slotsOf,
  TABLES,
  VALUE,
  VALUE_TABLE,
  VECTOR,
  type Slots,
} from "./operands.ts";
import { areSideBySide } from "./side-by-side.ts";
import { stream, type Streamed } from "./stream.ts";

/** For tests: two numbers per chunk, as `counters` of a job says. */
export interface Counters {
  readonly forward: Float64Array;
  readonly backward: Float64Array;
}

/** `stream`, recorded as one operation. A second derivative goes by the dense definition of the operand forms. */
export function streamed(lowered: Lowered, wantsLse: boolean, counters?: Counters): { output: Tensor; lse?: Tensor } {
  return stream(
    { kernels: streaming, run: runParallel },
    lowered,
    wantsLse,
    (call) => recordGradient(call, counters?.backward),
    counters?.forward,
  );
}

function recordGradient(call: Streamed, counters: Float64Array | undefined): void {
  const { lowered, slots, out, outputShape, saved, lse, plan } = call;
  const inputs = present(slots);
  const results = lse === undefined ? [out] : [out, lse];
  const turned = rowsFirst(lowered.call.query);
  recordMany("attention", results, inputs, [...inputs, ...fixedTables(lowered), out, ...saved], ([g, ofLse], needs) => {
    const cotangent = g ?? zeros(outputShape, { dtype: plan.dtype });
    const wanted = inSlots(needs, slots).map((need) => need === true);
    const gradients = backward(call, wanted, cotangent, ofLse, counters);
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

function callOfForms({ call, score, biases, scoreMod }: Lowered, at: Slots) {
  const [query, key, value, scale, vector, sink, valueTable, ...tables] = at;
  const form = {
    ...score,
    query: query!,
    key: key!,
    ...(scale === undefined ? {} : { scale }),
    ...(vector === undefined ? {} : { vector }),
  } as ScoreForm;
  const forms = biases.map((bias, i) => (bias.form === "dense" ? { ...bias, bias: tables[i]! } : { ...bias, table: tables[i]! }));
  return {
    ...call,
    query: query!,
    key: key!,
    value: value!,
    score: scoreOfForm(form),
    biases: forms.map(biasOfForm),
    scoreMod: call.scoreMod && { ...call.scoreMod, dense: scoreModOfTables(scoreMod!, tables.slice(biases.length)) },
    sink,
    valueTable,
  };
}

/** How the backward pass of a call is cut, by shapes alone. */
export function gradientPlan(lowered: Lowered): Chunking {
  const { B, H } = lowered.call.context;
  const shared = sharedOf(lowered, slotsOf(lowered)).map(({ shared: one }) => one);
  return chunksOf(B, H / lowered.call.group, shared, bytesPer(lowered.call.query.dtype as RealDType));
}

/** Gradients that samples or heads may share, by slot. */
function sharedOf({ call: { context }, biases, scoreMod }: Lowered, slots: Slots): { slot: number; shared: Shared }[] {
  const { B, H, L, S } = context;
  return slots.flatMap((x, slot) => {
    if (x === undefined || slot <= VALUE) return [];
    const form = slot < TABLES ? undefined : biases[slot - TABLES]?.form;
    const axes = slot < TABLES ? undefined : scoreMod?.axes[slot - TABLES - biases.length];
    let [perSample, perHead] = [false, x.rank > 1 && x.shape[0] > 1];
    if (slot === SCALE || slot === SINK) perHead = x.size > 1;
    if (form === "dense") {
      const strides = broadcastStrides(x.shape, rowMajor(x.shape), [B, H, L, S]);
      [perSample, perHead] = [strides[0] > 0, strides[1] > 0];
    }
    if (form === "relative") [perSample, perHead] = [x.shape[0] > 1, x.shape[1] > 1];
    if (axes !== undefined) {
      // Indices beyond the last are that one, so samples or heads could meet there.
      const reaches = (axis: number | undefined, count: number) => axis !== undefined && x.shape[axis] >= count;
      [perSample, perHead] = [reaches(axes.sample, B), reaches(axes.head, H)];
    }
    return [{ slot, shared: { size: x.size, perSample: perSample || B === 1, perHead: perHead || H === 1 } }];
  });
}

const thirds = [0, 1, 2];
/** Of the first slots. */
const GRADIENTS = ["queryGradient", "keyGradient", "valueGradient"] as const;

function backward(
  call: Streamed,
  needs: readonly boolean[],
  cotangent: Tensor,
  ofLse: Tensor | undefined,
  counters: Float64Array | undefined,
): (Tensor | undefined)[] {
  const { lowered, plan, slots, poisoned, out, saved } = call;
  const { dtype, rows, sizes } = plan;
  const cut = gradientPlan(lowered);
  const operands = operandsOf(lowered, slots);
  const fixed = fixedTables(lowered);
  const turned = rowsFirst(lowered.call.query);
  const g = cotangent.strides[3] === 1 || cotangent.shape[3] <= 1 ? cotangent : packed(cotangent);
  const read = [...operands, ...fixed, out, g, ofLse === undefined ? undefined : packed(ofLse), ...saved];
  // Gradients lie in memory as their operands do.
  const shapes = slots.map((x, slot): Shape | undefined => {
    if (x === undefined || !needs[slot]) return undefined;
    if (slot > VALUE) return x.shape;
    const [, heads, length, width] = x.shape;
    return rowsFirst(x) ? [rows.B, length, heads, width] : [rows.B, heads, length, width];
  });
  const isWhole = [QUERY, KEY, VALUE].every((slot) => needs[slot]) && lowered.call.packing === undefined && areSideBySide(slots);
  const each = present(shapes);
  const [columns, whole] = [sizes.H * sizes.D, [rows.B, rows.L, 3, sizes.H, sizes.D]];
  const outputs = (isWhole ? [whole, ...each.slice(3)] : each).map((shape) => ({ shape, dtype }));
  const stridesOf = (shape: Shape) => (isWhole ? [3 * rows.L * columns, 3 * columns, sizes.D, 1] : rowMajor(shape));
  const width = bytesPer(dtype);
  const results = compute("gradient of attention", present(read), outputs, (reads, writes, scratch) => {
    const at = addresses(reads, read);
    const places = isWhole ? [...thirds.map((third) => writes[0] + third * columns * width), ...writes.slice(1)] : writes;
    const to = addresses(places, shapes);
    const body: Body = { kernels: lowered.scoreMod?.forward ?? streaming, lowered, plan, operands, at, scratch };
    const targets: (Target | undefined)[] = slots.map(() => undefined);
    const partials: { from: number; to: number; size: number }[] = [];
    sharedOf(lowered, slots).forEach(({ slot, shared: { size } }, i) => {
      if (shapes[slot] === undefined) return;
      const count = cut.partial[i] ? cut.chunks : 1;
      const pointer = cut.partial[i] ? scratch(count * size * width) : to[slot];
      zeroBytes(pointer, count * size * width);
      targets[slot] = { pointer, chunk: cut.partial[i] ? size : 0 };
      if (cut.partial[i]) partials.push({ from: pointer, to: to[slot], size });
    });
    const sums = (name: string, slot: number) => ({ [name]: targets[slot]?.pointer ?? 0, [`${name}Chunk`]: targets[slot]?.chunk ?? 0 });
    const first = slots.length + fixed.length;
    const counted = counters === undefined ? 0 : put(counters.fill(0), scratch);
    const job = makeJob(
      body,
      poisoned,
      Object.fromEntries(savedRows(lowered.call.normaliser).map((name, i) => [name, at[first + 3 + i]])),
      sums("scalesGradient", SCALE),
      sums("vectorGradient", VECTOR),
      sums("sinkGradient", SINK),
      sums("valueTableGradient", VALUE_TABLE),
      {
        biases: putBiases(body, targets.slice(TABLES)),
        pass: putPass(body, targets.slice(TABLES + lowered.biases.length)),
        lseGradient: at[first + 2],
        chunkBatches: cut.chunkBatches,
        chunkHeads: cut.chunkHeads,
        counters: counted,
      },
    );
    writeOperand(job, "output", at[first], out.shape, out.strides, turned);
    writeOperand(job, "outputGradient", at[first + 1], g.shape, g.strides, turned);
    for (const [slot, name] of GRADIENTS.entries()) {
      const shape = shapes[slot];
      if (shape !== undefined) writeOperand(job, name, to[slot], shape, stridesOf(shape), rowsFirst(slots[slot]!));
    }
    const work = plan.pairs * 2 * (3 * sizes.D + 2 * sizes.E);
    runParallel(lowered.scoreMod?.backward ?? streamingBackward, dtype, "backward", pieces(job, cut.chunks, work), {
      work,
      scratch: { argument: 3, bytes: backwardScratchBytes(plan.cut), allocate: scratch },
      lingers: true,
    });
    counters?.set(new Float64Array(int32View().buffer, counted, counters.length));
    for (const { from, to: sum, size } of partials) reduceKernels.on(dtype).sum(from, sum, 1, cut.chunks, size);
  });
  const third = (index: number) => new Tensor(results[0].storage, each[index], stridesOf(each[index]), index * columns);
  const found = inSlots(isWhole ? [...thirds.map(third), ...results.slice(1)] : results, shapes);
  return slots.map((x, slot) => {
    const gradient = found[slot];
    if (x === undefined || gradient === undefined || slot > VALUE) return gradient;
    const own = rowsFirst(x) ? transpose(gradient, 1, 2) : gradient;
    return own.shape[0] === x.shape[0] ? own : sum(own, 0, { keepDims: true });
  });
}
