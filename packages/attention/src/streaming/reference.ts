import { threefry, type Views } from "@heed/kernels";
import {
  ACTIVATIONS,
  BIAS_FORMS,
  JOB,
  MASK_FORMS,
  NORMALISERS,
  readBiases,
  readJob,
  SCORE_FORMS,
  type BiasRecord,
  type Job,
} from "./job.ts";
import type { Pair, ScorePass } from "./score-pass.ts";
import type { StreamingKernels } from "./compiled.ts";

/** Streaming attention in plain loops, row by row: the definition of what a job means. With a scoreMod, that of what its pass means. */
export function reference(views: Views, pass?: ScorePass): StreamingKernels {
  return {
    forward(pointer, from, to) {
      const work = rowsOf(views, pointer, pass);
      const { job, reals, start } = work;
      if (job.looks !== 0) views.i32()[(pointer + JOB.at.looks) >>> 2] = -1;
      const [blocks, heads] = [Math.ceil(job.L / job.blockRows), job.B * job.H];
      for (let chunk = from; chunk < to; chunk++) {
        const head = chunk % heads;
        const [b, h, first] = [Math.floor(head / job.H), head % job.H, (blocks - 1 - Math.floor(chunk / heads)) * job.blockRows];
        const last = Math.min(first + job.blockRows, work.sample(b).L);
        for (let i = first; i < last; i++) {
          const row = work.row(b, h, i);
          const saved = b * job.savedBatch + h * job.savedHead + (work.sample(b).firstQuery + i) * job.savedRow;
          if (job.rowMaximum !== 0) reals[start(job.rowMaximum) + saved] = row.maximum;
          if (job.rowSum !== 0) reals[start(job.rowSum) + saved] = row.sum;
          if (job.lse !== 0) reals[start(job.lse) + saved] = row.maximum === -Infinity ? -Infinity : row.maximum + Math.log(row.sum);
          const out = work.output(b, h, i);
          const sums = new Float64Array(job.E);
          row.weights.forEach((_, j) => {
            const weight = row.dropped(j);
            if (row.isOpen(j)) for (let e = 0; e < job.E; e++) sums[e] += weight * work.valueOf(row, j, e);
          });
          for (let e = 0; e < job.E; e++) reals[out + e] = sums[e];
        }
      }
    },
    flagRows(x, batches, heads, rows, width, batchStride, headStride, rowStride, flags) {
      const [reals, bytes] = [views.real(), views.u8()];
      let count = 0;
      let flag = flags;
      for (let b = 0; b < batches; b++) {
        for (let h = 0; h < heads; h++) {
          for (let i = 0; i < rows; i++, flag++) {
            const at = (x >>> views.shift) + b * batchStride + h * headStride + i * rowStride;
            bytes[flag] = reals.subarray(at, at + width).every(Number.isFinite) ? 0 : 1;
            count += bytes[flag];
          }
        }
      }
      return count;
    },
  };
}

/** A row of weights, and what led to it. */
export interface Row {
  readonly b: number;
  readonly h: number;
  readonly i: number;
  /** Before the scale; after scale and softcap; after biases; after scoreMod and mask: −∞ where closed. */
  readonly raw: Float64Array;
  readonly capped: Float64Array;
  readonly biased: Float64Array;
  readonly scores: Float64Array;
  readonly weights: Float64Array;
  readonly maximum: number;
  readonly sum: number;
  isOpen(j: number): boolean;
  /** Factor of dropout: 0, or 1 / (1 − p). */
  factor(j: number): number;
  dropped(j: number): number;
}

/** Index of a number in a table by the clipped distance of two positions. */
export const clipped = (distance: number, most: number): number => Math.max(-most, Math.min(most, distance)) + most;

/** Reads a job: rows of weights, and where the operands' numbers lie (indices into `reals`). */
// eslint-disable-next-line typescript/explicit-module-boundary-types
export function rowsOf(views: Views, pointer: number, pass?: ScorePass) {
  const job = readJob(views, pointer);
  const rules = pass?.reference(views, job);
  const biases = readBiases(views, job);
  const [reals, ints, bytes] = [views.real(), views.i32(), views.u8()];
  const start = (address: number) => address >>> views.shift;
  const group = job.H / job.Hkv;
  const words = new Uint32Array(2);

  const sample = (b: number) => {
    if (job.cuSeqlensQuery === 0) return { firstQuery: 0, firstKey: 0, L: job.L, S: job.S };
    const [query, key] = [(job.cuSeqlensQuery >>> 2) + b, (job.cuSeqlensKey >>> 2) + b];
    return { firstQuery: ints[query], firstKey: ints[key], L: ints[query + 1] - ints[query], S: ints[key + 1] - ints[key] };
  };
  const query = (b: number, h: number, i: number) =>
    start(job.query) + b * job.queryBatch + h * job.queryHead + (sample(b).firstQuery + i) * job.queryRow;
  const key = (b: number, h: number, j: number) =>
    start(job.key) + b * job.keyBatch + Math.floor(h / group) * job.keyHead + (sample(b).firstKey + j) * job.keyRow;
  const value = (b: number, h: number, j: number) =>
    start(job.value) + b * job.valueBatch + Math.floor(h / group) * job.valueHead + (sample(b).firstKey + j) * job.valueRow;
  const output = (b: number, h: number, i: number) =>
    start(job.output) + b * job.outputBatch + h * job.outputHead + (sample(b).firstQuery + i) * job.outputRow;
  const scale = (h: number) => (job.scales === 0 ? job.scale : reals[start(job.scales) + h * job.scalesHead]);
  const offset = (b: number) => (job.queryOffsets === 0 ? job.queryOffset : ints[(job.queryOffsets >>> 2) + b]);
  const vector = (h: number) => start(job.vector) + h * job.vectorHead;
  const valueTable = (b: number, h: number, i: number, j: number) =>
    start(job.valueTable) + h * job.valueTableHead + clipped(j - i - offset(b), job.valueTableDistance) * job.E;

  const activation = (x: number) => {
    if (job.activation === ACTIVATIONS.tanh) return Math.tanh(x);
    if (job.activation === ACTIVATIONS.sigmoid) return 1 / (1 + Math.exp(-x));
    return x < 0 ? job.negativeSlope * x : x;
  };
  /** Row of the table of a queryRelative bias that a pair reads. */
  const relative = (bias: BiasRecord, b: number, h: number, i: number, j: number) =>
    start(bias.table) + h * bias.head + clipped(j - i - offset(b), bias.maxDistance) * job.D;
  const rawScore = (b: number, h: number, i: number, j: number) => {
    const [q, k] = [query(b, h, i), key(b, h, j)];
    let sum = 0;
    for (let d = 0; d < job.D; d++) {
      const [x, y] = [reals[q + d], reals[k + d]];
      if (job.scoreForm === SCORE_FORMS.dot) sum += x * y;
      else if (job.scoreForm === SCORE_FORMS.distance) sum += (x - y) * (x - y);
      else sum += reals[vector(h) + d] * activation(x + y);
    }
    for (const bias of biases) {
      if (bias.form !== BIAS_FORMS.queryRelative) continue;
      const table = relative(bias, b, h, i, j);
      for (let d = 0; d < job.D; d++) sum += reals[q + d] * reals[table + d];
    }
    return sum;
  };
  /** Where a bias (not queryRelative) of a pair lies relative to the start of its table or gradient, or undefined for 0. */
  const placeOf = (bias: BiasRecord, i: number, j: number, row: number, column: number): number | undefined => {
    if (bias.form === BIAS_FORMS.dense) return i * row + j * column;
    const [from, to] = [i - bias.prefix, j - bias.prefix];
    if (from < 0 || to < 0) return undefined;
    const C = bias.gridColumns;
    const down = Math.floor(to / C) - Math.floor(from / C) + bias.gridRows - 1;
    return down * (2 * C - 1) + (to % C) - (from % C) + C - 1;
  };
  const biasOf = (bias: BiasRecord, b: number, h: number, i: number, j: number) => {
    const place = bias.form === BIAS_FORMS.queryRelative ? undefined : placeOf(bias, i, j, bias.row, bias.column);
    return place === undefined ? 0 : reals[start(bias.table) + b * bias.batch + h * bias.head + place];
  };
  const maskOpens = (b: number, h: number, i: number, j: number) => {
    if (job.maskForm === MASK_FORMS.none) return true;
    const first = b * job.maskBatch + h * job.maskHead;
    if (job.maskForm === MASK_FORMS.ranges) {
      for (let range = 0; range < job.ranges; range++) {
        const at = (job.bounds >>> 2) + first + (i * job.ranges + range) * 2;
        if (j >= ints[at] && j < ints[at + 1]) return true;
      }
      return false;
    }
    const tile = first + (i >> 6) * Math.ceil(job.S / 64) + (j >> 6);
    if (bytes[job.verdicts + tile] !== 2) return bytes[job.verdicts + tile] === 1;
    const bit = (i % 64) * 64 + (j % 64);
    return ((bytes[job.bits + ints[(job.bitsAt >>> 2) + tile] + (bit >> 3)] >> (bit & 7)) & 1) === 1;
  };
  const isBad = (b: number, h: number, i: number, j: number) => {
    const flag = (flags: number, batch: number, head: number, row: number) =>
      flags !== 0 && bytes[flags + b * batch + (head === 0 ? 0 : head) + row] === 1;
    const [at, from] = [sample(b).firstQuery + i, sample(b).firstKey + j];
    const ofGroup = Math.floor(h / group);
    return (
      flag(job.badQuery, job.badQueryBatch, h * job.badQueryHead, at) ||
      flag(job.badKey, job.badKeyBatch, ofGroup * job.badKeyHead, from) ||
      flag(job.badValue, job.badValueBatch, ofGroup * job.badValueHead, from)
    );
  };
  /** The place of a pair in the stream of a key, and its words from there. */
  const placeInStream = (b: number, h: number, i: number, j: number) => ((b * job.H + h) * job.L + i) * job.S + j;
  const word = (key0: number, key1: number, at: number) => {
    const pair = Math.floor(at / 2);
    threefry(key0, key1, pair | 0, Math.floor(pair / 2 ** 32) | 0, words, 0);
    return words[at % 2];
  };
  const factorOf = (b: number, h: number, i: number, j: number) => {
    if (job.dropout === 0) return 1;
    return word(job.dropoutKey0, job.dropoutKey1, placeInStream(b, h, i, j)) <= job.dropoutLimit >>> 0 ? job.dropoutFactor : 0;
  };
  /** −log(−log u), as `uniform` gives u: of one word, or in double precision of two. */
  const noiseOf = (b: number, h: number, i: number, j: number) => {
    if (job.noise === 0) return 0;
    const next = (at: number) => word(job.noiseKey0, job.noiseKey1, at);
    const at = placeInStream(b, h, i, j);
    const u = views.shift === 2 ? (next(at) >>> 8) * 2 ** -24 : (next(2 * at) * 2 ** 21 + (next(2 * at + 1) >>> 11)) * 2 ** -53;
    return -Math.log(-Math.log(Math.max(u, 2 ** -25)));
  };

  const pairOf = (b: number, h: number, i: number, j: number, score: number): Pair => ({ score, b, h, i, j, position: i + offset(b) });

  function row(b: number, h: number, i: number): Row {
    const { S } = sample(b);
    const [raw, capped, biased, scores] = Array.from({ length: 4 }, () => new Float64Array(S));
    for (let j = 0; j < S; j++) {
      const added = biases.map((bias) => biasOf(bias, b, h, i, j));
      const open = maskOpens(b, h, i, j) && !added.includes(-Infinity);
      scores[j] = -Infinity;
      if (!open) continue;
      raw[j] = isBad(b, h, i, j) ? NaN : rawScore(b, h, i, j);
      const scaled = raw[j] * scale(h);
      capped[j] = job.softcap === 0 ? scaled : job.softcap * Math.tanh(scaled / job.softcap);
      biased[j] = added.reduce((sum, bias) => sum + bias, capped[j]);
      scores[j] = (rules === undefined ? biased[j] : rules.value(pairOf(b, h, i, j, biased[j]))) + noiseOf(b, h, i, j);
    }
    const sink = job.sink === 0 ? -Infinity : reals[start(job.sink) + h * job.sinkHead];
    const { weights, maximum, sum } = normalised(job, scores, sink);
    const factor = (j: number) => factorOf(b, h, i, j);
    return {
      b,
      h,
      i,
      raw,
      capped,
      biased,
      scores,
      weights,
      maximum,
      sum,
      isOpen: (j) => scores[j] !== -Infinity,
      factor,
      dropped: (j) => weights[j] * factor(j),
    };
  }

  return {
    job,
    biases,
    reals,
    ints,
    start,
    group,
    sample,
    query,
    key,
    value,
    output,
    scale,
    vector,
    activation,
    relative,
    placeOf,
    valueTable,
    rules,
    pairOf,
    row,
    /** A number of the value that a pair hears. */
    valueOf({ b, h, i }: Row, j: number, e: number) {
      return reals[value(b, h, j) + e] + (job.valueTable === 0 ? 0 : reals[valueTable(b, h, i, j) + e]);
    },
  };
}

function normalised(job: Job, scores: Float64Array, sink: number): { weights: Float64Array; maximum: number; sum: number } {
  const isOpen = (s: number) => s !== -Infinity;
  const open = scores.filter(isOpen);
  const maximum = open.reduce((most, s) => (s > most || Number.isNaN(s) ? s : most), -Infinity);
  const total = (values: Float64Array) => values.reduce((sum, x) => sum + x, 0);
  const weightsOf = (f: (s: number, j: number) => number) => scores.map((s, j) => (isOpen(s) ? f(s, j) : 0));
  if (open.length === 0) return { weights: weightsOf(() => 0), maximum, sum: 0 };
  switch (job.normaliser) {
    case NORMALISERS.softmax: {
      const exponentials = weightsOf((s) => Math.exp(s - maximum));
      const sum = total(exponentials);
      const most = Math.max(maximum, sink);
      const all = sum * Math.exp(maximum - most) + Math.exp(sink - most);
      return { weights: exponentials.map((e) => (e * Math.exp(maximum - most)) / all), maximum, sum };
    }
    case NORMALISERS.reluCount:
    case NORMALISERS.reluSum: {
      const kept = weightsOf((s) => (s < 0 ? 0 : s));
      const sum = job.normaliser === NORMALISERS.reluCount ? open.length : total(kept);
      return { weights: kept.map((s) => (sum === 0 ? 0 : s / sum)), maximum, sum };
    }
    case NORMALISERS.sigmoid:
      return { weights: weightsOf((s) => 1 / (1 + Math.exp(-(s + job.sigmoidBias)))), maximum, sum: 1 };
    case NORMALISERS.identity:
      return { weights: weightsOf((s) => s), maximum, sum: 1 };
    case NORMALISERS.hard: {
      const best = scores.indexOf(maximum);
      return { weights: scores.map((_, j) => (Number.isNaN(maximum) ? NaN : j === best ? 1 : 0)), maximum, sum: best };
    }
    case NORMALISERS.straightThrough: {
      const best = scores.indexOf(maximum);
      const sum = total(weightsOf((s) => Math.exp((s - maximum) / job.temperature)));
      return { weights: weightsOf((_, j) => (Number.isNaN(maximum) ? NaN : j === best ? 1 : 0)), maximum, sum };
    }
    case NORMALISERS.topK: {
      const order = scores.map((_, j) => j).sort((a, b) => scores[b] - scores[a] || a - b);
      const kept = new Set(order.subarray(0, job.topK));
      const exponentials = scores.map((s, j) => (isOpen(s) && (kept.has(j) || Number.isNaN(maximum)) ? Math.exp(s - maximum) : 0));
      const sum = total(exponentials);
      return { weights: exponentials.map((e) => e / sum), maximum, sum };
    }
    case NORMALISERS.sparsemax:
    case NORMALISERS.entmax15: {
      const roots = rootsOf(scores, maximum, job.normaliser === NORMALISERS.entmax15);
      const isSquared = job.normaliser === NORMALISERS.entmax15;
      return {
        weights: roots.map((x) => (isSquared ? x * x : x)),
        maximum,
        sum: total(isSquared ? roots : roots.map((x) => (x > 0 ? 1 : x))),
      };
    }
    default:
      throw new Error(`internal: streaming attention has no normaliser ${job.normaliser}`);
  }
}

/** max(d − τ, 0), d being differences from the greatest score, with a sum of 1; of the halves of d, with squares whose sum is 1. */
function rootsOf(scores: Float64Array, maximum: number, halves: boolean): Float64Array {
  const differences = scores.map((s) => (s === -Infinity ? s : (s - maximum) * (halves ? 0.5 : 1)));
  if (!Number.isFinite(maximum)) return differences.map((d) => (d === -Infinity ? 0 : NaN));
  let threshold = -1;
  let [sum, squares, count] = [0, 0, 0];
  // As long as the next greatest lies above the threshold of those before it.
  for (const d of Float64Array.from(differences).sort().reverse()) {
    if (d <= threshold) break;
    [sum, squares, count] = [sum + d, squares + d * d, count + 1];
    const mean = sum / count;
    threshold = halves ? mean - Math.sqrt((1 - (squares - sum * mean)) / count) : mean - 1 / count;
  }
  return differences.map((d) => Math.max(d - threshold, 0));
}
