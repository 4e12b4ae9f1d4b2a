import {
  backend,
  copyBytes,
  int32View,
  isShared,
  matmulKernels,
  matmulScratchBytes,
  reduceKernels,
  rowKernels,
  runParallel,
  uint8View,
  zeroBytes,
} from "@heed/kernels";
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
import { hiddenPieces } from "../sequence/cell-shape.ts";
import { packedBackwardBytes, packedForwardBytes, sequenceScratchBytes } from "../sequence/layout.ts";
import { sequence } from "../sequence/sequence.ts";
import type { CellRule } from "./cell-rule.ts";
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
 * Per direction the real steps are packed (all first steps, then all second ones …), the input projection is one matrix product, and
 * all steps are one kernel call; backward the same way, with one product for the gradient of each weight. What backward needs again
 * is saved, per direction and real step: activations, slots · H numbers, and cells.
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
  const { slots, hasCell } = rule.shape;
  const place = layoutOf(B, L, I, H, D, slots * H, dtype, lengths);

  const keeps = isRecording() && inputs.some((input) => input.requiresGrad);
  const states = { shape: [D, B, H], dtype };
  const gates = { shape: [place.N, place.row], dtype };
  const cells = { shape: [place.N, H], dtype };
  const saves: OutputSpec[] = keeps ? directions.flatMap(() => (hasCell ? [gates, cells] : [gates])) : [];
  const specs: OutputSpec[] = [{ shape: [B, L, D * H], dtype }, states, ...(hasCell ? [states] : []), ...saves];

  const results = compute(rule.name, inputs.map(packed), specs, (reads, writes, scratch) => {
    const at = inSlots(reads, operands);
    const [output, h, c] = hasCell ? writes : [writes[0], writes[1], 0];
    runForward(rule, place, at, { output, h, c }, keeps ? writes.slice(hasCell ? 3 : 2) : undefined, directions, scratch);
  });
  const [output, h] = results;
  const c = hasCell ? results[2] : undefined;
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

/** Sizes, and the order of rows inside the kernels. */
interface Layout {
  readonly dtype: "float32" | "float64";
  /** Bytes of an element. */
  readonly width: number;
  readonly B: number;
  readonly L: number;
  readonly I: number;
  readonly H: number;
  readonly D: number;
  /** Elements of a row of gates. */
  readonly row: number;
  readonly lengths: readonly number[];
  /** Where the packed rows of each step begin, `[L + 2]`; the last two are N. */
  readonly offsets: Int32Array;
  /** Packed rows: the steps of all sequences. */
  readonly N: number;
}

function layoutOf(
  B: number,
  L: number,
  I: number,
  H: number,
  D: number,
  row: number,
  dtype: "float32" | "float64",
  given: readonly number[] | undefined,
): Layout {
  const lengths = given ?? Array<number>(B).fill(L);
  const offsets = new Int32Array(L + 2);
  let active = B;
  for (let t = 0; t < L; t++) {
    while (active > 0 && lengths[active - 1] <= t) active -= 1;
    offsets[t + 1] = offsets[t] + active;
  }
  offsets[L + 1] = offsets[L];
  return { dtype, width: bytesPer(dtype), B, L, I, H, D, row, lengths, offsets, N: offsets[L] };
}

/** Of each packed row, its row in `[B · L]`: reading from the end, step s of a sequence is its s-th last. */
function rowsOf({ L, lengths, offsets, N }: Layout, reverse: boolean): Int32Array {
  const rows = new Int32Array(N);
  for (let s = 0; s < L; s++) {
    for (let n = offsets[s], b = 0; n < offsets[s + 1]; n++, b++) rows[n] = b * L + (reverse ? lengths[b] - 1 - s : s);
  }
  return rows;
}

function placed(values: Int32Array, scratch: Scratch): number {
  const at = scratch(values.byteLength);
  int32View().set(values, at >>> 2);
  return at;
}

/** The rows of x in packed order: x itself where that is its own. */
function packRows({ dtype, width, N, I }: Layout, x: number, rows: Int32Array, rowsAt: number, scratch: Scratch): number {
  if (rows.every((row, n) => row === n)) return x;
  const packedX = scratch(N * I * width);
  rowKernels.on(dtype).gatherRows(x, rowsAt, packedX, N, I);
  return packedX;
}

/**
 * Ranges of sequences for calls that may run at the same time, with about as many steps each. The bits do not depend on them, so
 * there are as many as there are threads to take them, but a call has at least six sequences: fewer would leave tiles half empty.
 */
function cuts({ B, D, N, lengths }: Layout, work: number): (readonly [from: number, to: number])[] {
  const wanted = isShared(work) ? Math.ceil(backend().threads / D) : 1;
  const count = Math.max(1, Math.min(wanted, Math.floor(B / 6)));
  const ends: number[] = [];
  let steps = 0;
  lengths.forEach((length, b) => {
    steps += length;
    if (ends.length < count - 1 && steps * count >= (ends.length + 1) * N) ends.push(b + 1);
  });
  return [...ends, B].map((end, i) => [i === 0 ? 0 : ends[i - 1], end]);
}

/** `gemm`, rows cut between threads. Each has so many that all are computed alike, however they are cut. */
function product(
  dtype: "float32" | "float64",
  scratch: Scratch,
  m: number,
  n: number,
  k: number,
  a: number,
  rowStrideA: number,
  columnStrideA: number,
  b: number,
  rowStrideB: number,
  columnStrideB: number,
  c: number,
  rowStrideC: number,
  accumulate = 0,
): void {
  const work = 2 * m * n * k;
  const count = isShared(work) ? Math.max(1, Math.min(4 * backend().threads, Math.floor(m / CUT_ROWS))) : 1;
  const width = bytesPer(dtype);
  // Whole tiles, of four rows or of six.
  const first = (i: number) => (i === count ? m : Math.round((i * m) / count / 12) * 12);
  const calls = Array.from({ length: count }, (_, i) => {
    const [from, to] = [a + first(i) * rowStrideA * width, c + first(i) * rowStrideC * width];
    return [first(i + 1) - first(i), n, k, from, rowStrideA, columnStrideA, b, rowStrideB, columnStrideB, to, rowStrideC, accumulate, 0];
  });
  runParallel(matmulKernels, dtype, "gemm", calls, {
    work,
    scratch: { argument: 12, bytes: matmulScratchBytes(m, n, k), allocate: scratch },
  });
}
const CUT_ROWS = 96;

/** Gives the same bytes again and again, more when more are asked for: for what one product after the other needs. */
function reused(scratch: Scratch): Scratch {
  let [at, room] = [0, 0];
  return (bytes) => {
    if (bytes > room) [at, room] = [scratch(bytes), bytes];
    return at;
  };
}

type Addresses = readonly (number | undefined)[];

function runForward(
  { shape, kernel }: CellRule,
  place: Layout,
  at: Addresses,
  write: { output: number; h: number; c: number },
  kept: readonly number[] | undefined,
  directions: readonly Direction[],
  scratch: Scratch,
): void {
  const { dtype, width, B, L, I, H, D, lengths, N } = place;
  if (B * H === 0) return;
  const { slots, inputSlots, hidden, hasCell } = shape;
  const { packForward } = sequence.on(dtype);
  lengths.forEach((length, b) => zeroBytes(write.output + (b * L + length) * D * H * width, (L - length) * D * H * width));

  const projected = inputSlots * H;
  // What is not kept needs no room for all slots; and a single step no packed weight.
  const isSingle = L <= 1;
  const row = kept === undefined && !isSingle ? projected : place.row;
  const space = reused(scratch);
  const work = 2 * D * N * hidden.length * H * H;
  const ranges = cuts(place, work);
  const offsetsAt = placed(place.offsets, scratch);

  const calls = directions.flatMap(({ reverse }, d) => {
    const [weightIh, weightHh, bias = 0, h0 = 0, c0 = 0] = at.slice(1 + 5 * d, 6 + 5 * d);
    const rows = rowsOf(place, reverse);
    const index = placed(rows, scratch);
    const stride = hasCell ? 2 : 1;
    const gates = kept === undefined ? scratch(N * row * width) : kept[stride * d];
    const cells = kept === undefined || !hasCell ? 0 : kept[stride * d + 1];
    product(dtype, space, N, projected, I, packRows(place, at[0]!, rows, index, scratch), I, 1, weightIh!, 1, I, gates, row);
    if (isSingle) {
      for (const { from, slot, count } of hiddenPieces(shape)) {
        const to = gates + slot * H * width;
        const accumulate = Number(slot < inputSlots);
        const weight = weightHh! + from * H * H * width;
        if (h0 !== 0) product(dtype, space, N, count * H, H, h0, H, 1, weight, 1, H, to, row, accumulate);
        else if (accumulate === 0) for (let n = 0; n < N; n++) zeroBytes(to + n * row * width, count * H * width);
      }
    }
    const blocks = isSingle ? 0 : hidden.length;
    const packedWeight = scratch(packedForwardBytes(width, blocks, slots, H));
    packForward(isSingle ? 0 : weightHh!, bias, packedWeight, blocks, slots, H);
    return ranges.map(([from, to]) => [
      gates,
      row,
      cells,
      packedWeight,
      Number(!isSingle),
      h0,
      c0,
      write.output + d * H * width,
      D * H,
      write.h + d * B * H * width,
      hasCell ? write.c + d * B * H * width : 0,
      offsetsAt,
      index,
      L,
      H,
      Number(kept !== undefined),
      from,
      to,
      0,
    ]);
  });
  const bytes = sequenceScratchBytes(width, largest(ranges), H);
  runParallel(sequence, dtype, `${kernel}Forward`, calls, { work, scratch: { argument: 18, bytes, allocate: scratch } });
}

function largest(ranges: readonly (readonly [from: number, to: number])[]): number {
  return ranges.reduce((most, [from, to]) => Math.max(most, to - from), 0);
}

function runBackward(
  { shape, kernel }: CellRule,
  place: Layout,
  at: Addresses,
  read: { output: number; dy: number | undefined; dh: number | undefined; dc: number | undefined },
  kept: readonly number[],
  write: Addresses,
  directions: readonly Direction[],
  scratch: Scratch,
): void {
  const { dtype, width, B, L, I, H, D, row, offsets, N } = place;
  const { inputSlots, hidden, hasCell, carries } = shape;
  const { gatherRows, scatterAddRows } = rowKernels.on(dtype);
  const { packBackward } = sequence.on(dtype);
  const projected = inputSlots * H;
  const isSingle = L <= 1;
  const pieces = hiddenPieces(shape);
  const space = reused(scratch);
  const work = 2 * D * N * hidden.length * H * H;
  const ranges = cuts(place, work);
  const offsetsAt = placed(offsets, scratch);
  const dx = write[0];
  if (dx !== undefined) zeroBytes(dx, B * L * I * width);

  const parts = directions.map(({ reverse }, d) => {
    const [weightIh, weightHh, , h0, c0 = 0] = at.slice(1 + 5 * d, 6 + 5 * d);
    const [dWeightIh, dWeightHh, dBias, dh0, dc0 = 0] = write.slice(1 + 5 * d, 6 + 5 * d);
    const rows = rowsOf(place, reverse);
    const index = placed(rows, scratch);
    const dgates = scratch(N * row * width);
    // h before each step: given ones first, then the output of the step before.
    const hBefore = dWeightHh !== undefined || carries ? scratch(N * H * width) : 0;
    const begun = L === 0 ? 0 : offsets[1];
    if (hBefore !== 0) {
      if (h0 === undefined) zeroBytes(hBefore, begun * H * width);
      else copyBytes(uint8View(), h0, uint8View(), hBefore, begun * H * width);
      const before = new Int32Array(N - begun);
      for (let s = 1; s < L; s++)
        for (let n = offsets[s], b = 0; n < offsets[s + 1]; n++, b++) before[n - begun] = rows[offsets[s - 1] + b] * D + d;
      gatherRows(read.output, placed(before, scratch), hBefore + begun * H * width, N - begun, H);
    }
    const packedWeight = isSingle ? 0 : scratch(packedBackwardBytes(width, hidden.length * H, H));
    if (!isSingle) {
      for (const { from, count } of pieces) {
        const before = from * H;
        packBackward(weightHh! + before * H * width, packedWeight + packedBackwardBytes(width, before, H), count * H, H);
      }
    }
    const calls = ranges.map(([from, to]) => [
      dgates,
      kept[hasCell ? 2 * d : d],
      row,
      hasCell ? kept[2 * d + 1] : 0,
      c0,
      hBefore,
      packedWeight,
      read.dy === undefined ? 0 : read.dy + d * H * width,
      D * H,
      read.dh === undefined ? 0 : read.dh + d * B * H * width,
      read.dc === undefined ? 0 : read.dc + d * B * H * width,
      dh0 ?? 0,
      dc0,
      offsetsAt,
      index,
      L,
      H,
      from,
      to,
      0,
    ]);
    return { weightIh, weightHh, dWeightIh, dWeightHh, dBias, dh0, rows, index, dgates, hBefore, calls };
  });
  runParallel(
    sequence,
    dtype,
    `${kernel}Backward`,
    parts.flatMap(({ calls }) => calls),
    { work, scratch: { argument: 19, bytes: sequenceScratchBytes(width, largest(ranges), H), allocate: scratch } },
  );

  for (const { weightIh, weightHh, dWeightIh, dWeightHh, dBias, dh0, rows, index, dgates, hBefore } of parts) {
    if (isSingle && dh0 !== undefined) {
      pieces.forEach(({ from, slot, count }, i) => {
        const [slope, weight] = [dgates + slot * H * width, weightHh! + from * H * H * width];
        product(dtype, space, N, H, count * H, slope, row, 1, weight, H, 1, dh0, H, Number(carries || i > 0));
      });
    }
    if (dx !== undefined) {
      const dxPacked = scratch(N * I * width);
      product(dtype, space, N, I, projected, dgates, row, 1, weightIh!, I, 1, dxPacked, I);
      scatterAddRows(dxPacked, index, dx, N, I);
    }
    if (dWeightIh !== undefined) {
      const x = packRows(place, at[0]!, rows, index, scratch);
      product(dtype, space, projected, I, N, dgates, 1, row, x, I, 1, dWeightIh, I);
    }
    if (dBias !== undefined) reduceKernels.on(dtype).sum(dgates, dBias, 1, N, row);
    if (dWeightHh !== undefined) {
      for (const { from, slot, count } of pieces) {
        const [slope, to] = [dgates + slot * H * width, dWeightHh + from * H * H * width];
        product(dtype, space, count * H, H, N, slope, 1, row, hBefore, H, 1, to, H);
      }
    }
  }
}
