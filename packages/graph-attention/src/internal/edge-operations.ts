import { runParallel, viewsOf } from "@heed/kernels";
import { add, HeedError, indexSelect, leakyRelu, mul, reshape, sum, type Tensor } from "@heed/tensor";
import {
  compute,
  computeOne,
  isRecording,
  packed,
  record,
  recordFusedGradient,
  recordMany,
  requireReal,
  type RealDType,
} from "@heed/tensor/operation";
import { edges, type EdgeKernels } from "../edges/edges.ts";
import { segmentSoftmax } from "../segments.ts";
import type { EdgeRows, Incidence } from "./incidence.ts";

/** From which end edges are looked at: rows are targets (`in`) or, the other way round, sources (`out`). */
export type Side = "in" | "out";

const rowsOf = (incidence: Incidence, side: Side) => (side === "in" ? incidence.byRow : incidence.byColumn);
const other = (side: Side): Side => (side === "in" ? "out" : "in");

/** Calls a kernel for all rows. `at` are the arguments before the rows, `sizes` those after; `perEdge` operations estimate the work. */
function run(
  dtype: RealDType,
  kernel: keyof EdgeKernels,
  at: readonly number[],
  rows: EdgeRows,
  places: readonly number[],
  sizes: readonly number[],
  perEdge: number,
): void {
  const calls = rows.chunks.map(([from, to]) => [...at, ...places, from, to, ...sizes]);
  runParallel(edges, dtype, kernel, calls, { work: rows.slots.size * perEdge });
}

/**
 * `out[i, h] = Σ weights[e, h] · values[j, h]` over the edges e of row i, which lead to j: values `[·, H, F]`, weights `[E, H]` → `[rows, H, F]`.
 * Its gradients are the same sum from the other end, and `edgeDots`.
 */
export function weightedSum(values: Tensor, weights: Tensor, incidence: Incidence, side: Side = "in"): Tensor {
  const rows = rowsOf(incidence, side);
  const dtype = requireReal("weightedSum", values.dtype);
  const [, H, F] = values.shape;
  const inputs = [packed(values), packed(weights), rows.offsets, rows.columns, rows.slots];
  const out = computeOne("weightedSum", inputs, [rows.count, H, F], dtype, ([v, w, ...places], to) =>
    run(dtype, "weightedSum", [v, w, to], rows, places, [H, F], 2 * H * F),
  );
  return record("weightedSum", out, [values, weights], [values, weights], (g, [ofValues, ofWeights]) => [
    ofValues ? weightedSum(g, weights, incidence, other(side)) : undefined,
    ofWeights ? edgeDots(g, values, incidence, side) : undefined,
  ]);
}

/** `out[e, h] = ⟨a[i, h], b[j, h]⟩` for the edge e of row i that leads to j: `[·, H, F]` each → `[E, H]`. */
export function edgeDots(a: Tensor, b: Tensor, incidence: Incidence, side: Side = "in"): Tensor {
  const rows = rowsOf(incidence, side);
  const dtype = requireReal("edgeDots", a.dtype);
  const [, H, F] = a.shape;
  const inputs = [packed(a), packed(b), rows.offsets, rows.columns, rows.slots];
  const out = computeOne("edgeDots", inputs, [incidence.edgeCount, H], dtype, ([x, y, ...places], to) =>
    run(dtype, "edgeDots", [x, y, to], rows, places, [H, F], 2 * H * F),
  );
  return record("edgeDots", out, [a, b], [a, b], (g, [ofA, ofB]) => [
    ofA ? weightedSum(b, g, incidence, side) : undefined,
    ofB ? weightedSum(a, g, incidence, other(side)) : undefined,
  ]);
}

/** `out[e] = a[i] + b[j]` for the edge e of row i that leads to j: `[·, …]` each → `[E, …]`. */
export function pairSum(a: Tensor, b: Tensor, incidence: Incidence): Tensor {
  const rows = incidence.byRow;
  const dtype = requireReal("pairSum", a.dtype);
  const width = a.shape.slice(1).reduce((product, n) => product * n, 1);
  const inputs = [packed(a), packed(b), rows.offsets, rows.columns, rows.slots];
  const out = computeOne("pairSum", inputs, [incidence.edgeCount, ...a.shape.slice(1)], dtype, ([x, y, ...places], to) =>
    run(dtype, "pairSum", [x, y, to], rows, places, [width], width),
  );
  return record("pairSum", out, [a, b], [], (g, [ofA, ofB]) => [
    ofA ? rowSum(g, incidence, "in") : undefined,
    ofB ? rowSum(g, incidence, "out") : undefined,
  ]);
}

/** `out[i] = Σ x[e]` over the edges of row i: `[E, …]` → `[rows, …]`. */
export function rowSum(x: Tensor, incidence: Incidence, side: Side = "in"): Tensor {
  const rows = rowsOf(incidence, side);
  const dtype = requireReal("rowSum", x.dtype);
  const width = x.shape.slice(1).reduce((product, n) => product * n, 1);
  const inputs = [packed(x), rows.offsets, rows.slots];
  const out = computeOne("rowSum", inputs, [rows.count, ...x.shape.slice(1)], dtype, ([from, ...places], to) =>
    run(dtype, "rowSum", [from, to], rows, places, [width], width),
  );
  return record("rowSum", out, [x], [], (g) => [indexSelect(g, ends(incidence, side))]);
}

/** Row of each edge, in the order of edges. */
function ends(incidence: Incidence, side: Side): Tensor {
  return side === "in" ? incidence.rows : incidence.columns;
}

/** Softmax over the edges of each target, per head: `[E, H]` → `[E, H]`. A score of −∞ gets 0. */
export function edgeSoftmax(scores: Tensor, incidence: Incidence): Tensor {
  const rows = incidence.byRow;
  const dtype = requireReal("edgeSoftmax", scores.dtype);
  const [E, H] = scores.shape;
  const weights = computeOne("edgeSoftmax", [packed(scores), rows.offsets, rows.slots], [E, H], dtype, ([from, ...places], to) =>
    run(dtype, "edgeSoftmax", [from, to], rows, places, [H], 12 * H),
  );
  return record("edgeSoftmax", weights, [scores], [scores, weights], (g) => {
    const inputs = [packed(weights), packed(g), rows.offsets, rows.slots];
    const found = computeOne("gradient of edgeSoftmax", inputs, [E, H], dtype, ([w, cotangent, ...places], to) =>
      run(dtype, "edgeSoftmaxGrad", [w, cotangent, to], rows, places, [H], 4 * H),
    );
    recordFusedGradient("gradient of edgeSoftmax", [found], [scores], [g], (again) => [
      segmentSoftmax(again, incidence.rows, incidence.rowCount),
    ]);
    return [found];
  });
}

/**
 * The weights of GAT: softmax over the edges e of each row i, which lead to j, of `leakyRelu(a[i, h] + b[j, h])`: a and b `[·, H]` → `[E, H]`.
 */
export function pairSoftmax(a: Tensor, b: Tensor, slope: number, incidence: Incidence): Tensor {
  const dtype = requireReal("pairSoftmax", a.dtype);
  const rows = incidence.byRow;
  const [E, H] = [incidence.edgeCount, a.shape[1]];
  const places = [rows.offsets, rows.columns, rows.slots];
  const weights = computeOne("pairSoftmax", [packed(a), packed(b), ...places], [E, H], dtype, ([x, y, ...at], to) =>
    run(dtype, "pairSoftmax", [x, y, to], rows, at, [H, slope], 16 * H),
  );
  return record("pairSoftmax", weights, [a, b], [a, b, weights], (g, needs) =>
    ofPairSoftmax({ a, b, weights, slope, incidence }, g, needs),
  );
}

/** Gradients of `pairSoftmax` from g, those of its weights. */
function ofPairSoftmax(
  { a, b, weights, slope, incidence }: { a: Tensor; b: Tensor; weights: Tensor; slope: number; incidence: Incidence },
  g: Tensor,
  [ofA, ofB]: readonly boolean[],
): (Tensor | undefined)[] {
  const dtype = requireReal("pairSoftmax", a.dtype);
  const rows = incidence.byRow;
  const H = a.shape[1];
  const shapes = [weights.shape, a.shape].map((shape) => ({ shape, dtype }));
  const inputs = [...[a, b, weights, g].map(packed), rows.offsets, rows.columns, rows.slots];
  const [dz, da] = compute("gradient of pairSoftmax", inputs, shapes, ([x, y, w, cotangent, ...at], [toZ, toA]) =>
    run(dtype, "pairSoftmaxGrad", [x, y, w, cotangent, toZ, toA], rows, at, [H, slope], 8 * H),
  );
  const wanted = [ofA ? da : undefined, ofB ? rowSum(dz, incidence, "out") : undefined];
  recordFusedGradient("gradient of pairSoftmax", wanted, [a, b], [g], (x, y) => [
    segmentSoftmax(leakyRelu(pairSum(x, y, incidence), { slope }), incidence.rows, incidence.rowCount),
  ]);
  return wanted;
}

/**
 * `pairSoftmax` and the `weightedSum` by its weights in one kernel, for edges in the order of rows: a and b `[·, H]`, values `[·, H, F]` → `[rows, H, F]`, and the weights
 * `[E, H]` where they are wanted or a gradient may need them.
 */
export function pairAttention(
  { a, b, values, slope, incidence }: { a: Tensor; b: Tensor; values: Tensor; slope: number; incidence: Incidence },
  wantsWeights = false,
): { output: Tensor; weights?: Tensor } {
  const dtype = requireReal("pairAttention", values.dtype);
  const rows = incidence.byRow;
  if (!rows.inOrder) throw new HeedError("pairAttention", "edges must be in the order of rows", { edges: incidence.edgeCount });
  const [, H, F] = values.shape;
  const keeps = wantsWeights || isRecording();
  const shapes = [
    [rows.count, H, F],
    [incidence.edgeCount, H],
    [rows.count, H],
  ].map((shape) => ({ shape, dtype }));
  const inputs = [...[a, b, values].map(packed), rows.offsets, rows.columns];
  const [output, weights] = compute("pairAttention", inputs, shapes, ([x, y, v, ...at], [to, toWeights, toFactors]) =>
    run(dtype, "pairAttention", [x, y, v, toWeights, toFactors, to], rows, at, [H, F, slope, Number(keeps)], 2 * H * F + 16 * H),
  );
  if (!keeps) return { output };
  recordMany("pairAttention", [output, weights], [a, b, values], [a, b, values, weights], ([ofOutput, ofWeights], [ofA, ofB, ofValues]) => {
    const through = ofOutput === undefined || !(ofA || ofB) ? undefined : edgeDots(ofOutput, values, incidence);
    const g = through === undefined ? ofWeights : ofWeights === undefined ? through : add(through, ofWeights);
    const [da, db] = g === undefined ? [] : ofPairSoftmax({ a, b, weights, slope, incidence }, g, [ofA, ofB]);
    return [da, db, ofOutput === undefined || !ofValues ? undefined : weightedSum(ofOutput, weights, incidence, "out")];
  });
  return { output, weights };
}

/**
 * `out[e, h] = ⟨vector[h], leakyRelu(a[i, h] + b[j, h] + c[e, h])⟩` for the edge e of row i that leads to j: a and b `[·, H, F]`, c `[E, H, F]` if
 * any, vector `[1, H, F]` → `[E, H]`. Nothing as wide as `[E, H, F]` is made.
 */
export function edgeAdditive(a: Tensor, b: Tensor, c: Tensor | undefined, vector: Tensor, slope: number, incidence: Incidence): Tensor {
  const dtype = requireReal("edgeAdditive", a.dtype);
  const [, H, F] = a.shape;
  const { byRow, byColumn, edgeCount } = incidence;
  const given = [a, b, vector, ...(c === undefined ? [] : [c])];
  const placesOf = (rows: EdgeRows) => [rows.offsets, rows.columns, rows.slots];
  const out = computeOne("edgeAdditive", [...given.map(packed), ...placesOf(byRow)], [edgeCount, H], dtype, (reads, to) => {
    const [x, y, v, z = 0] = reads.slice(0, given.length);
    run(dtype, "edgeAdditive", [x, y, z, v, to], byRow, reads.slice(given.length), [H, F, slope], 4 * H * F);
  });
  const dense = (x: Tensor, y: Tensor, v: Tensor, z?: Tensor) => {
    const pairs = pairSum(x, y, incidence);
    return [sum(mul(leakyRelu(z === undefined ? pairs : pairs.add(z), { slope }), reshape(v, [1, H, F])), -1)];
  };
  recordMany("edgeAdditive", [out], given, given, ([g], needs) => {
    const parts = byRow.chunks.length;
    const shapes = [a.shape, [parts, H, F], b.shape, ...(c === undefined ? [] : [c.shape])].map((shape) => ({ shape, dtype }));
    const reads = [...[...given, g!].map(packed), ...placesOf(byRow), ...placesOf(byColumn)];
    const [da, partial, db, dc] = compute("gradient of edgeAdditive", reads, shapes, (pointers, [toA, toVector, toB, toC = 0]) => {
      const [x, y, v, z = 0] = pointers.slice(0, given.length);
      const cotangent = pointers[given.length];
      const places = pointers.slice(given.length + 1);
      zero(dtype, toVector, parts * H * F);
      const bytes = H * F * (dtype === "float32" ? 4 : 8);
      // The vector's gradient is shared by all rows: a part of it per chunk, added up in order.
      const operands = [x, y, z, v, cotangent, toA, toC];
      const [offsets, columns, slots] = places;
      const calls = byRow.chunks.map(([from, to], chunk) => [
        ...operands,
        toVector + chunk * bytes,
        offsets,
        columns,
        slots,
        from,
        to,
        H,
        F,
        slope,
      ]);
      runParallel(edges, dtype, "edgeAdditiveGrad", calls, { work: edgeCount * H * F * 8 });
      run(dtype, "edgeAdditiveGrad", [y, x, z, v, cotangent, toB, 0, 0], byColumn, places.slice(3), [H, F, slope], 8 * H * F);
    });
    const found = [da, db, reshape(sum(partial, 0), vector.shape), ...(c === undefined ? [] : [dc])];
    const wanted = found.map((gradient, i) => (needs[i] ? gradient : undefined));
    recordFusedGradient("gradient of edgeAdditive", wanted, given, [g!], dense as never);
    return wanted;
  });
  return out;
}

function zero(dtype: RealDType, at: number, count: number): void {
  const views = viewsOf(dtype);
  views.real().fill(0, at >>> views.shift, (at >>> views.shift) + count);
}
