import { copyKernels, matmulKernels, matmulScratchBytes, reduceKernels, uint8View } from "@heed/kernels";
import type { Tensor } from "@heed/tensor";
import {
  bytesPer,
  compute,
  isRecording,
  packed,
  recordFusedGradient,
  recordMany,
  requireReal,
  type OutputSpec,
  type Scratch,
} from "@heed/tensor/operation";
import { hiddenBlocks, type CellRule } from "./cell-rule.ts";
import { denseSequence } from "./dense-sequence.ts";

/** What one direction of a layer computes with. */
export interface Direction {
  readonly reverse: boolean;
  /** `[inputSlots · H, I]` */
  readonly weightIh: Tensor;
  /** `[blocks · H, H]` */
  readonly weightHh: Tensor;
  /** `[slots · H]` */
  readonly bias: Tensor | undefined;
  /** `[B, H]`; zeros when left out. */
  readonly h0: Tensor | undefined;
  readonly c0: Tensor | undefined;
}

export interface SequenceResult {
  /** `[B, L, directions · H]` */
  readonly output: Tensor;
  /** `[directions, B, H]` */
  readonly h: Tensor;
  readonly c: Tensor | undefined;
}

/**
 * A layer of a recurrent network over whole sequences, all directions, as one recorded operation.
 *
 * The input projection of all steps is one matrix product; then each step is a small product with the hidden weight, which is
 * packed once, and one pass over its gates. Backward walks the steps the other way, and takes the gradients of the weights in
 * one product each. What it needs again is saved: activations `[B, L, slots · H]` and cells `[L + 1, B, H]` per direction.
 *
 * @param x `[B, L, I]`
 * @param lengths of the rows, longest first; undefined: all L. What lies beyond is never read, and outputs there are 0.
 */
export function recurrentSequence(
  rule: CellRule,
  x: Tensor,
  directions: readonly Direction[],
  lengths: readonly number[] | undefined,
): SequenceResult {
  const dtype = requireReal(rule.name, x.dtype);
  const [B, L, I] = x.shape;
  const H = directions[0].weightHh.shape[1];
  const D = directions.length;
  const operands = [x, ...directions.flatMap(({ weightIh, weightHh, bias, h0, c0 }) => [weightIh, weightHh, bias, h0, c0])];
  const inputs = operands.filter((operand) => operand !== undefined);
  const place = layoutOf(rule, B, L, I, H, D, dtype, lengths);

  const keeps = isRecording() && inputs.some((input) => input.requiresGrad);
  const states = { shape: [D, B, H], dtype };
  const gates = { shape: [B, L, rule.slots * H], dtype };
  const cells = { shape: [L + 1, B, H], dtype };
  const saves: OutputSpec[] = directions.flatMap(() => (rule.hasCell ? [gates, cells] : [gates]));
  const specs: OutputSpec[] = [{ shape: [B, L, D * H], dtype }, states, ...(rule.hasCell ? [states] : []), ...(keeps ? saves : [])];
  const bytes = (spec: OutputSpec) => spec.shape.reduce((product, n) => product * n, bytesPer(dtype));

  const results = compute(rule.name, inputs.map(packed), specs, (reads, writes, scratch) => {
    const at = inSlots(reads, operands);
    const fixed = rule.hasCell ? 3 : 2;
    const kept = saves.map((spec, i) => (keeps ? writes[fixed + i] : scratch(bytes(spec))));
    runForward(rule, place, at, { output: writes[0], h: writes[1], c: rule.hasCell ? writes[2] : 0 }, kept, directions, scratch);
  });
  const [output, h] = results;
  const c = rule.hasCell ? results[2] : undefined;
  const outputs = c === undefined ? [output, h] : [output, h, c];
  const saved = results.slice(outputs.length);

  recordMany(rule.name, outputs, inputs, [...inputs, output, ...saved], (cotangents, needs) => {
    const wanted = inSlots(
      inputs.map((input, i) => (needs[i] ? input : undefined)),
      operands,
    );
    const given = [...inputs, output, ...saved];
    const slopes = cotangents.filter((cotangent) => cotangent !== undefined);
    const shapes = wanted.filter((input) => input !== undefined).map(({ shape }) => ({ shape, dtype }));
    const found = compute(`gradient of ${rule.name}`, [...given, ...slopes].map(packed), shapes, (reads, writes, scratch) => {
      const at = inSlots(reads, operands);
      const [out, ...kept] = reads.slice(inputs.length, given.length);
      const [dy, dh, dc] = inSlots(reads.slice(given.length), cotangents);
      runBackward(rule, place, at, { output: out, dy, dh, dc }, kept, inSlots(writes, wanted), directions, scratch);
    });
    const gradients = inSlots(found, wanted);
    const ordered = operands.flatMap((operand, i) => (operand === undefined ? [] : [gradients[i]]));
    recordFusedGradient(`gradient of ${rule.name}`, ordered, inputs, slopes, (...again) => {
      const [from, ...parts] = inSlots(again, operands);
      const same = directions.map(({ reverse }, d): Direction => {
        const [weightIh, weightHh, bias, h0, c0] = parts.slice(5 * d, 5 * d + 5);
        return { reverse, weightIh: weightIh!, weightHh: weightHh!, bias, h0, c0 };
      });
      const dense = denseSequence(rule, from!, same, lengths);
      const all = [dense.output, dense.h, dense.c];
      return cotangents.flatMap((cotangent, i) => (cotangent === undefined ? [] : [all[i]]));
    });
    return ordered;
  });
  return { output, h, c };
}

/** Values in the order of the filled slots; undefined where a slot is empty. */
function inSlots<T>(values: readonly T[], slots: readonly unknown[]): (T | undefined)[] {
  let next = 0;
  return slots.map((slot) => (slot === undefined ? undefined : values[next++]));
}

/** Sizes, and byte addresses inside the arrays of a layer. */
interface Layout {
  readonly dtype: "float32" | "float64";
  /** Bytes of an element. */
  readonly width: number;
  readonly B: number;
  readonly L: number;
  readonly I: number;
  readonly H: number;
  readonly D: number;
  /** Elements of a row of gates: of one step, and from one sequence to the next. */
  readonly row: number;
  readonly gatesStride: number;
  /** Elements from one sequence to the next in the output. */
  readonly outputStride: number;
  readonly lengths: readonly number[];
  /** How many sequences are longer than t: those that take step t, always the first ones. */
  active(t: number): number;
  /** Runs of real steps: rows of `[B · L]` that are all real, as long as possible. */
  readonly runs: readonly { readonly first: number; readonly count: number }[];
}

function layoutOf(
  rule: CellRule,
  B: number,
  L: number,
  I: number,
  H: number,
  D: number,
  dtype: "float32" | "float64",
  given: readonly number[] | undefined,
): Layout {
  const lengths = given ?? Array<number>(B).fill(L);
  const counts = Array<number>(L + 1).fill(0);
  for (let t = 0, n = B; t < L; t++) {
    while (n > 0 && lengths[n - 1] <= t) n--;
    counts[t] = n;
  }
  const runs: { first: number; count: number }[] = [];
  lengths.forEach((length, b) => {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === b * L) last.count += length;
    else runs.push({ first: b * L, count: length });
  });
  const row = rule.slots * H;
  return {
    dtype,
    width: bytesPer(dtype),
    B,
    L,
    I,
    H,
    D,
    row,
    gatesStride: L * row,
    outputStride: L * D * H,
    lengths,
    active: (t) => counts[t],
    runs,
  };
}

/** A matrix `[k, n]`: as it lies, with its strides, or in panels of eight columns, which a product with few rows reads from front to back. */
interface Factor {
  readonly at: number;
  readonly k: number;
  readonly n: number;
  readonly strides: readonly [row: number, column: number] | undefined;
}

/** Columns of a tile of the matrix product. */
const PANEL = 8;

/** Packs a strided `[k, n]` into panels; the last may be narrower. For a single step that does not pay. */
function pack(place: Layout, from: number, k: number, n: number, rowStride: number, columnStride: number, scratch: Scratch): Factor {
  if (place.L === 1) return { at: from, k, n, strides: [rowStride, columnStride] };
  const at = scratch(k * n * place.width);
  const kernels = copyKernels.on(place.dtype);
  const copy = place.width === 4 ? kernels.copy4 : kernels.copy8;
  const whole = Math.floor(n / PANEL);
  const rest = n - whole * PANEL;
  if (whole > 0) copy(from, at, 1, whole, k, PANEL, 0, PANEL * columnStride, rowStride, columnStride, 0, PANEL * k, PANEL, 1);
  if (rest > 0) {
    const done = whole * PANEL;
    copy(
      from + done * columnStride * place.width,
      at + done * k * place.width,
      1,
      1,
      k,
      rest,
      0,
      0,
      rowStride,
      columnStride,
      0,
      0,
      rest,
      1,
    );
  }
  return { at, k, n, strides: undefined };
}

/** Scratch of `multiply` for at most m rows. */
function multiplyBytes({ L }: Layout, m: number, n: number, k: number): number {
  return matmulScratchBytes(m, L === 1 ? n : PANEL, k);
}

/** `c (+)= a · factor` for m rows. */
function multiply(
  { dtype, width }: Layout,
  m: number,
  a: number,
  rowStrideA: number,
  { at, k, n, strides }: Factor,
  c: number,
  rowStrideC: number,
  accumulate: number,
  space: number,
): void {
  if (m === 0) return;
  const { gemm, gemmBatched } = matmulKernels.on(dtype);
  if (strides !== undefined) {
    gemm(m, n, k, a, rowStrideA, 1, at, strides[0], strides[1], c, rowStrideC, accumulate, space);
    return;
  }
  const whole = Math.floor(n / PANEL);
  const done = whole * PANEL;
  if (whole > 0) gemmBatched(whole, 0, PANEL * k, PANEL, m, PANEL, k, a, rowStrideA, 1, at, PANEL, 1, c, rowStrideC, accumulate, space);
  if (n > done) gemm(m, n - done, k, a, rowStrideA, 1, at + done * k * width, n - done, 1, c + done * width, rowStrideC, accumulate, space);
}

function zero(at: number, bytes: number): void {
  uint8View().fill(0, at, at + bytes);
}

/** Fills `to`, `[B, H]`, with an initial state or zeros. */
function start(from: number | undefined, to: number, bytes: number): void {
  if (from === undefined) zero(to, bytes);
  else uint8View().copyWithin(to, from, from + bytes);
}

/** The slot of cells before and after step t, and the steps in order. */
function timeline({ L }: Layout, reverse: boolean) {
  return {
    steps: Array.from({ length: L }, (_, i) => (reverse ? L - 1 - i : i)),
    before: (t: number) => (reverse ? t + 1 : t),
    after: (t: number) => (reverse ? t : t + 1),
    previous: (t: number) => (reverse ? t + 1 : t - 1),
    /** Of a sequence: its first step, and the slot of its final cell. */
    first: (length: number) => (reverse ? length - 1 : 0),
    last: (length: number) => (reverse ? 0 : length - 1),
    finalSlot: (length: number) => (reverse ? 0 : length),
    startSlot: (length: number) => (reverse ? length : 0),
  };
}

/** How many of the active sequences at t have a previous step; the others, behind them, start here. */
function continuing({ L, active }: Layout, reverse: boolean, t: number): number {
  if (reverse) return t + 1 < L ? active(t + 1) : 0;
  return t > 0 ? active(t) : 0;
}

type Addresses = readonly (number | undefined)[];

function runForward(
  rule: CellRule,
  place: Layout,
  at: Addresses,
  write: { output: number; h: number; c: number },
  kept: readonly number[],
  directions: readonly Direction[],
  scratch: Scratch,
): void {
  const { dtype, width, B, L, I, H, D, row, gatesStride, outputStride, lengths, runs } = place;
  if (B * H === 0) return;
  const { gemm } = matmulKernels.on(dtype);
  const copies = copyKernels.on(dtype);
  const copy = width === 4 ? copies.copy4 : copies.copy8;
  const state = B * H * width;
  const projected = rule.inputSlots * H;
  const space = scratch(Math.max(matmulScratchBytes(B * L, projected, I), multiplyBytes(place, B, row, H)));
  const zeros = scratch(H * width);
  zero(zeros, H * width);

  directions.forEach(({ reverse, weightHh }, d) => {
    const [weightIh, hidden, bias, h0, c0] = at.slice(1 + 5 * d, 6 + 5 * d);
    const [gates, cells] = rule.hasCell ? kept.slice(2 * d, 2 * d + 2) : [kept[d], 0];
    const time = timeline(place, reverse);

    // All steps of x · weightIhᵀ + bias.
    for (const { first, count } of runs) {
      if (count === 0) continue;
      const to = gates + first * row * width;
      if (bias !== undefined) copy(bias, to, 1, 1, count, row, 0, 0, 0, 1, 0, 0, row, 1);
      else if (rule.slots > rule.inputSlots) zero(to, count * row * width);
      gemm(count, projected, I, at[0]! + first * I * width, I, 1, weightIh!, 1, I, to, row, bias === undefined ? 0 : 1, space);
    }

    if (rule.hasCell) {
      lengths.forEach((length, b) =>
        start(c0 === undefined ? undefined : c0 + b * H * width, cells + (time.startSlot(length) * B + b) * H * width, H * width),
      );
    }
    const pieces = rule.hidden.map(({ from, slot, count }) => ({
      slot,
      weight: pack(place, hidden! + from * H * weightHh.shape[1] * width, H, count * H, 1, H, scratch),
    }));
    const step = (t: number, firstRow: number, count: number, hPrev: number, hPrevStride: number) => {
      if (count === 0) return;
      const here = gates + firstRow * gatesStride * width + t * row * width;
      if (hPrevStride > 0)
        for (const { slot, weight } of pieces)
          multiply(place, count, hPrev, hPrevStride, weight, here + slot * H * width, gatesStride, 1, space);
      rule.forward(dtype, {
        count,
        H,
        gates: here,
        gatesStride,
        hPrev,
        hPrevStride,
        cPrev: cells + (time.before(t) * B + firstRow) * H * width,
        c: cells + (time.after(t) * B + firstRow) * H * width,
        h: write.output + (firstRow * outputStride + (t * D + d) * H) * width,
        hStride: outputStride,
      });
    };
    for (const t of time.steps) {
      const old = continuing(place, reverse, t);
      step(t, 0, old, write.output + (time.previous(t) * D + d) * H * width, outputStride);
      step(t, old, place.active(t) - old, h0 === undefined ? zeros : h0 + old * H * width, h0 === undefined ? 0 : H);
    }

    const bytes = uint8View();
    lengths.forEach((length, b) => {
      const to = d * state + b * H * width;
      const last = write.output + (b * outputStride + (time.last(length) * D + d) * H) * width;
      if (length > 0) bytes.copyWithin(write.h + to, last, last + H * width);
      else start(h0 === undefined ? undefined : h0 + b * H * width, write.h + to, H * width);
      if (rule.hasCell) {
        const cell = cells + (time.finalSlot(length) * B + b) * H * width;
        bytes.copyWithin(write.c + to, cell, cell + H * width);
      }
    });
  });
  lengths.forEach((length, b) => zero(write.output + (b * L + length) * D * H * width, (L - length) * D * H * width));
}

function runBackward(
  rule: CellRule,
  place: Layout,
  at: Addresses,
  read: { output: number; dy: number | undefined; dh: number | undefined; dc: number | undefined },
  kept: readonly number[],
  write: Addresses,
  directions: readonly Direction[],
  scratch: Scratch,
): void {
  const { dtype, width, B, L, I, H, D, row, gatesStride, outputStride, lengths, runs } = place;
  const { gemm } = matmulKernels.on(dtype);
  const state = B * H * width;
  const projected = rule.inputSlots * H;
  const blocks = hiddenBlocks(rule);
  const space = scratch(
    Math.max(
      matmulScratchBytes(B * L, I, projected),
      matmulScratchBytes(projected, I, B * L),
      multiplyBytes(place, B, H, row),
      matmulScratchBytes(row, H, Math.max(B, B * L)),
    ),
  );
  const zeros = scratch(H * width);
  zero(zeros, H * width);
  const dgates = scratch(B * gatesStride * width);
  const dx = write[0];
  if (dx !== undefined) zero(dx, B * L * I * width);

  directions.forEach(({ reverse }, d) => {
    const [weightIh, hidden, , h0] = at.slice(1 + 5 * d, 6 + 5 * d);
    const [dWeightIh, dWeightHh, dBias, dh0, dc0] = write.slice(1 + 5 * d, 6 + 5 * d);
    const [gates, cells] = rule.hasCell ? kept.slice(2 * d, 2 * d + 2) : [kept[d], 0];
    const time = timeline(place, reverse);
    const dh = dh0 ?? scratch(state);
    const dc = rule.hasCell ? (dc0 ?? scratch(state)) : 0;
    start(read.dh === undefined ? undefined : read.dh + d * state, dh, state);
    if (rule.hasCell) start(read.dc === undefined ? undefined : read.dc + d * state, dc, state);
    lengths.forEach((length, b) => zero(dgates + (b * L + length) * row * width, (L - length) * row * width));

    const pieces = rule.hidden.map(({ from, slot, count }) => ({
      slot,
      weight: pack(place, hidden! + from * H * H * width, count * H, H, H, 1, scratch),
    }));
    const step = (t: number, firstRow: number, count: number, hPrev: number, hPrevStride: number) => {
      if (count === 0) return;
      const here = (firstRow * gatesStride + t * row) * width;
      const rows = firstRow * H * width;
      rule.backward(dtype, {
        count,
        H,
        gates: gates + here,
        dgates: dgates + here,
        gatesStride,
        hPrev,
        hPrevStride,
        cPrev: cells + time.before(t) * state + rows,
        c: cells + time.after(t) * state + rows,
        dy: read.dy === undefined ? zeros : read.dy + (firstRow * outputStride + (t * D + d) * H) * width,
        dyStride: read.dy === undefined ? 0 : outputStride,
        dh: dh + rows,
        dc: dc + rows,
      });
      // Nobody asks for the gradient of an initial state that was left out.
      if (hPrevStride === 0) return;
      pieces.forEach(({ slot, weight }, i) => {
        multiply(place, count, dgates + here + slot * H * width, gatesStride, weight, dh + rows, H, rule.carries || i > 0 ? 1 : 0, space);
      });
    };
    for (const t of time.steps.reverse()) {
      const old = continuing(place, reverse, t);
      step(t, 0, old, read.output + (time.previous(t) * D + d) * H * width, outputStride);
      step(t, old, place.active(t) - old, h0 === undefined ? zeros : h0 + old * H * width, h0 === undefined ? 0 : H);
    }

    const x = at[0]!;
    let sums = 0;
    for (const { first, count } of runs) {
      if (count === 0) continue;
      const slope = dgates + first * row * width;
      if (dx !== undefined) gemm(count, I, projected, slope, row, 1, weightIh!, I, 1, dx + first * I * width, I, 1, space);
      if (dWeightIh !== undefined)
        gemm(projected, I, count, slope, 1, row, x + first * I * width, I, 1, dWeightIh, I, sums++ > 0 ? 1 : 0, space);
    }
    if (dWeightIh !== undefined && sums === 0) zero(dWeightIh, projected * I * width);
    if (dBias !== undefined) reduceKernels.on(dtype).sum(dgates, dBias, 1, B * L, row);
    if (dWeightHh === undefined) return;

    // First the steps that began from h0. Then their rows become zeros, so that every other step stands one row before or
    // behind the h it came from, and one product takes them all.
    zero(dWeightHh, blocks * H * H * width);
    const firsts = scratch(B * row * width);
    const bytes = uint8View();
    lengths.forEach((length, b) => {
      const to = firsts + b * row * width;
      if (length === 0) return zero(to, row * width);
      const from = dgates + (b * L + time.first(length)) * row * width;
      bytes.copyWithin(to, from, from + row * width);
      bytes.fill(0, from, from + row * width);
    });
    for (const { from, slot, count } of rule.hidden) {
      const to = dWeightHh + from * H * H * width;
      const part = (rows: number, slope: number, h: number, hStride: number) =>
        gemm(count * H, H, rows, slope + slot * H * width, 1, row, h, hStride, 1, to, H, 1, space);
      if (h0 !== undefined) part(B, firsts, h0, H);
      const skip = row * width;
      const next = D * H * width;
      if (reverse) part(B * L - 1, dgates, read.output + d * H * width + next, D * H);
      else part(B * L - 1, dgates + skip, read.output + d * H * width, D * H);
    }
  });
}
