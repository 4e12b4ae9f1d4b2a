import type { Views } from "@heed/kernels";
import { ACTIVATIONS, BIAS_FORMS, NORMALISERS, SCORE_FORMS } from "../streaming/job.ts";
import { rowsOf, type Row } from "../streaming/reference.ts";
import type { ScorePass } from "../streaming/score-pass.ts";
import type { StreamingBackwardKernels } from "./streaming-backward.ts";

/** The gradient of streaming attention in plain loops, row by row: each step undoes one of `reference` of streaming. */
export function reference(views: Views, pass?: ScorePass): StreamingBackwardKernels {
  return {
    backward(pointer, from, to) {
      const work = rowsOf(views, pointer, pass);
      const { job } = work;
      const across = Math.ceil(job.Hkv / job.chunkHeads);
      for (let chunk = from; chunk < to; chunk++) {
        const firstBatch = Math.floor(chunk / across) * job.chunkBatches;
        const firstHead = (chunk % across) * job.chunkHeads;
        for (let b = firstBatch; b < Math.min(firstBatch + job.chunkBatches, job.B); b++) {
          for (let head = firstHead; head < Math.min(firstHead + job.chunkHeads, job.Hkv); head++) ofHead(work, chunk, b, head);
        }
      }
    },
  };
}

/** Gradients of one sample and key/value head. */
function ofHead(work: ReturnType<typeof rowsOf>, chunk: number, b: number, head: number): void {
  const { job, biases, reals, rules, start, group, query, key, sample } = work;
  const { firstQuery, firstKey, L, S } = sample(b);
  const { D, E } = job;
  const keys = new Float64Array(S * D);
  const values = new Float64Array(S * E);
  /** Adds to a partial gradient, if it is wanted. */
  const add = (address: number, chunkStride: number, at: number, x: number) => {
    if (address !== 0) reals[start(address) + chunk * chunkStride + at] += x;
  };

  for (let h = head * group; h < (head + 1) * group; h++) {
    for (let i = 0; i < L; i++) {
      const row = work.row(b, h, i);
      const at = firstQuery + i;
      const cotangent = start(job.outputGradient) + b * job.outputGradientBatch + h * job.outputGradientHead + at * job.outputGradientRow;
      const ofLse = job.lseGradient === 0 ? 0 : reals[start(job.lseGradient) + b * job.savedBatch + h * job.savedHead + at * job.savedRow];

      const ofWeights = new Float64Array(S);
      for (let j = 0; j < S; j++) {
        if (!row.isOpen(j)) continue;
        const [factor, weight] = [row.factor(j), row.dropped(j)];
        for (let e = 0; e < E; e++) {
          const g = reals[cotangent + e];
          ofWeights[j] += factor * g * work.valueOf(row, j, e);
          values[j * E + e] += weight * g;
          if (job.valueTable !== 0) {
            const place = work.valueTable(b, h, i, j) - start(job.valueTable);
            add(job.valueTableGradient, job.valueTableGradientChunk, place + e, weight * g);
          }
        }
      }

      const { scores, share, sink } = ofScores(work, row, ofWeights);
      add(job.sinkGradient, job.sinkGradientChunk, h * job.sinkHead, sink);
      const ofQuery = new Float64Array(D);
      for (let j = 0; j < S; j++) {
        if (!row.isOpen(j)) continue;
        let g = scores[j] + ofLse * share[j];
        if (rules !== undefined) g = rules.gradient(g, work.pairOf(b, h, i, j, row.biased[j]), chunk);
        for (const bias of biases) {
          if (bias.form === BIAS_FORMS.queryRelative) continue;
          const place = work.placeOf(bias, i, j, bias.gradientRow, bias.gradientColumn);
          if (place !== undefined) add(bias.gradient, bias.gradientChunk, b * bias.gradientBatch + h * bias.gradientHead + place, g);
        }
        if (job.softcap !== 0) g *= 1 - (row.capped[j] / job.softcap) ** 2;
        add(job.scalesGradient, job.scalesGradientChunk, h * job.scalesHead, g * row.raw[j]);
        g *= work.scale(h);
        const [q, k] = [query(b, h, i), key(b, h, j)];
        for (let d = 0; d < D; d++) {
          const [x, y] = [reals[q + d], reals[k + d]];
          if (job.scoreForm === SCORE_FORMS.dot) {
            ofQuery[d] += g * y;
            keys[j * D + d] += g * x;
          } else if (job.scoreForm === SCORE_FORMS.distance) {
            ofQuery[d] += g * 2 * (x - y);
            keys[j * D + d] -= g * 2 * (x - y);
          } else {
            const activated = work.activation(x + y);
            add(job.vectorGradient, job.vectorGradientChunk, h * job.vectorHead + d, g * activated);
            const slope = g * reals[work.vector(h) + d] * slopeOf(job.activation, job.negativeSlope, x + y, activated);
            ofQuery[d] += slope;
            keys[j * D + d] += slope;
          }
        }
        for (const bias of biases) {
          if (bias.form !== BIAS_FORMS.queryRelative) continue;
          const table = work.relative(bias, b, h, i, j);
          const place = h * bias.gradientHead + table - start(bias.table) - h * bias.head;
          for (let d = 0; d < D; d++) {
            ofQuery[d] += g * reals[table + d];
            add(bias.gradient, bias.gradientChunk, place + d, g * reals[q + d]);
          }
        }
      }
      if (job.queryGradient !== 0) {
        const out = start(job.queryGradient) + b * job.queryGradientBatch + h * job.queryGradientHead + at * job.queryGradientRow;
        ofQuery.forEach((x, d) => (reals[out + d] = x));
      }
    }
  }
  for (let j = 0; j < S; j++) {
    if (job.keyGradient !== 0) {
      const out = start(job.keyGradient) + b * job.keyGradientBatch + head * job.keyGradientHead + (firstKey + j) * job.keyGradientRow;
      for (let d = 0; d < D; d++) reals[out + d] = keys[j * D + d];
    }
    if (job.valueGradient !== 0) {
      const out =
        start(job.valueGradient) + b * job.valueGradientBatch + head * job.valueGradientHead + (firstKey + j) * job.valueGradientRow;
      for (let e = 0; e < E; e++) reals[out + e] = values[j * E + e];
    }
  }
}

/** From the gradient of a row's weights to that of its scores and sink; `share`: what each score adds to lse. */
function ofScores(
  { job, reals, start }: ReturnType<typeof rowsOf>,
  row: Row,
  ofWeights: Float64Array,
): { scores: Float64Array; share: Float64Array; sink: number } {
  const { weights, scores } = row;
  const none = new Float64Array(scores.length);
  const dot = weights.reduce((sum, weight, j) => (row.isOpen(j) ? sum + weight * ofWeights[j] : sum), 0);
  const each = (f: (s: number, j: number) => number) => scores.map((s, j) => (row.isOpen(j) ? f(s, j) : 0));
  switch (job.normaliser) {
    case NORMALISERS.softmax: {
      const share = each((s) => Math.exp(s - row.maximum) / row.sum);
      const sink = job.sink === 0 ? -Infinity : reals[start(job.sink) + row.h * job.sinkHead];
      const weightOfSink = 1 / (1 + row.sum * Math.exp(row.maximum - sink));
      return { scores: each((_, j) => weights[j] * (ofWeights[j] - dot)), share, sink: sink === -Infinity ? 0 : -weightOfSink * dot };
    }
    case NORMALISERS.reluCount:
      return { scores: each((s, j) => (s > 0 ? ofWeights[j] / row.sum : 0)), share: none, sink: 0 };
    case NORMALISERS.reluSum:
      return { scores: each((s, j) => (s > 0 ? (ofWeights[j] - dot) / row.sum : 0)), share: none, sink: 0 };
    case NORMALISERS.sigmoid:
      return { scores: each((_, j) => weights[j] * (1 - weights[j]) * ofWeights[j]), share: none, sink: 0 };
    case NORMALISERS.identity:
      return { scores: each((_, j) => ofWeights[j]), share: none, sink: 0 };
    case NORMALISERS.topK:
      return { scores: each((_, j) => weights[j] * (ofWeights[j] - dot)), share: none, sink: 0 };
    case NORMALISERS.sparsemax:
    case NORMALISERS.entmax15: {
      const slopes = weights.map((weight) => (job.normaliser === NORMALISERS.entmax15 ? Math.sqrt(weight) : Math.sign(weight)));
      const mean = slopes.reduce((sum, slope, j) => (slope === 0 ? sum : sum + slope * ofWeights[j]), 0) / row.sum;
      return { scores: each((_, j) => (slopes[j] === 0 ? 0 : slopes[j] * (ofWeights[j] - mean))), share: none, sink: 0 };
    }
    case NORMALISERS.straightThrough: {
      const soft = each((s) => Math.exp((s - row.maximum) / job.temperature) / row.sum);
      const mean = soft.reduce((sum, weight, j) => (row.isOpen(j) ? sum + weight * ofWeights[j] : sum), 0);
      return { scores: each((_, j) => (soft[j] * (ofWeights[j] - mean)) / job.temperature), share: none, sink: 0 };
    }
    case NORMALISERS.hard:
      return { scores: none, share: none, sink: 0 };
    default:
      throw new Error(`internal: streaming attention has no normaliser ${job.normaliser}`);
  }
}

function slopeOf(activation: number, negativeSlope: number, x: number, activated: number): number {
  if (activation === ACTIVATIONS.tanh) return 1 - activated * activated;
  if (activation === ACTIVATIONS.sigmoid) return activated * (1 - activated);
  return x < 0 ? negativeSlope : 1;
}
