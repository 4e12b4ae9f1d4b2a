import {
  add,
  any,
  argmax,
  cast,
  cumsum,
  div,
  equal,
  greater,
  lessEqual,
  log,
  logicalAnd,
  max,
  maximum,
  minimum,
  mul,
  neg,
  noGrad,
  notEqual,
  relu,
  scatterAdd,
  sigmoid,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tensor,
  topK,
  uniform,
  unsqueeze,
  where,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { record, type RealDType } from "@heed/tensor/operation";
import type { Normaliser, StraightThrough } from "../normalisers.ts";

/**
 * The definition of a normaliser in tensor operations, differentiable: weights of scores, for those who have the scores in hand. `attention` does not
 * hold them.
 *
 * Letters: L queries, S keys.
 * @param scores `[…, L, S]`; −∞ where a pair is closed, which then has weight 0. Rows without open pairs get zeros, none are NaN but those
 * with a NaN among their scores.
 * @returns `[…, L, S]`
 *
 * Time O(L S), O(L S log S) for topK, sparsemax and entmax15, which sort each row.
 * @see Martins and Astudillo 2016 (arXiv:1602.02068) and Peters, Niculae, Martins 2019 (arXiv:1905.05702), for the thresholds; each normaliser's
 * own paper
 */
export function normalise(scores: Tensor, normaliser: Normaliser): Tensor {
  if (normaliser.kind === "softmax") return softmax(scores, -1);
  const fixed = scores.detach();
  const dtype = scores.dtype as RealDType;
  const open = notEqual(fixed, -Infinity);
  const finite = where(open, scores, 0);
  const S = scores.shape.at(-1)!;
  if (S === 0) return finite;
  switch (normaliser.kind) {
    case "relu": {
      const kept = relu(finite);
      const divisor = sum(normaliser.divideBy === "sum" ? kept : cast(open, dtype), -1, { keepDims: true });
      const empty = equal(divisor.detach(), 0);
      return where(empty, 0, div(kept, where(empty, 1, divisor)));
    }
    case "sigmoid":
      return where(open, sigmoid(add(finite, normaliser.bias)), 0);
    case "identity":
      return finite;
    case "hard":
      return withNaN(fixed, choice(scores, open, normaliser.straightThrough));
    case "topK":
      return softmax(normaliser.k >= S ? scores : where(highest(fixed, normaliser.k), scores, -Infinity), -1);
    case "sparsemax":
    case "entmax15":
      return withNaN(fixed, sparse(scores, open, normaliser.kind));
  }
}

/** NaN in the rows that have a NaN among their scores. */
function withNaN(scores: Tensor, weights: Tensor): Tensor {
  const bad = any(notEqual(scores, scores), -1, { keepDims: true });
  return any(bad).item() === 1 ? where(bad, NaN, weights) : weights;
}

/** 1 at the highest open score of each row. */
function choice(scores: Tensor, open: Tensor, straightThrough: StraightThrough | undefined): Tensor {
  const dtype = scores.dtype as RealDType;
  const { temperature = 1, key } = straightThrough ?? {};
  // −log(−log u) with u from (0, 1): u = 0 would be −∞.
  const noise = key === undefined ? undefined : neg(log(neg(log(maximum(uniform(key, scores.shape, { dtype }), 2 ** -25)))));
  const noisy = noise === undefined ? scores : where(open, add(where(open, scores, 0), noise), -Infinity);
  const keys = tensor(Int32Array.from({ length: scores.shape.at(-1)! }, (_, j) => j));
  const best = cast(logicalAnd(equal(keys, unsqueeze(argmax(noisy.detach(), -1), -1)), open), dtype);
  if (straightThrough === undefined) return best;
  return record("hard", best, [softmax(div(noisy, temperature), -1)], [], (g) => [g]);
}

/** Which scores are among the k highest of their row; ties go to the lowest key. */
function highest(scores: Tensor, k: number): Tensor {
  const { indices } = topK(scores, k);
  return greater(scatterAdd(zeros(scores.shape), indices, add(zeros(indices.shape), 1), -1), 0);
}

/**
 * Sparsemax and 1.5-entmax. Which keys get a weight is found without a gradient, from sorted scores; given those, the threshold τ and the
 * weights are plain formulas, whose gradients are the right ones wherever the choice does not change.
 */
function sparse(scores: Tensor, open: Tensor, kind: "sparsemax" | "entmax15"): Tensor {
  const S = scores.shape.at(-1)!;
  const dtype = scores.dtype as RealDType;
  const half = kind === "entmax15";
  // Both shift with the scores, so the greatest may be 0. A closed or empty row's differences do not matter.
  const greatest = noGrad(() => where(any(open, -1, { keepDims: true }), max(scores.detach(), -1, { keepDims: true }), 0));
  const shifted = where(open, mul(sub(scores, greatest), half ? 0.5 : 1), 0);
  const kept = noGrad(() => {
    const sorted = topK(where(open, maximum(shifted.detach(), -2), -2), S).values; // What lies 1 below the greatest gets nothing.
    const counts = tensor(
      Float64Array.from({ length: S }, (_, j) => j + 1),
      { dtype },
    );
    const mean = div(cumsum(sorted, -1), counts);
    // Σ (x − mean)² = Σ x² − n · mean²
    const spread = maximum(sub(cumsum(square(sorted), -1), mul(counts, square(mean))), 0);
    const threshold = half ? sub(mean, sqrt(maximum(div(sub(1, spread), counts), 0))) : sub(mean, div(1, counts));
    const members = sum(cast(lessEqual(threshold, sorted), dtype), -1, { keepDims: true });
    const lowest = max(where(equal(counts, members), threshold, -Infinity), -1, { keepDims: true });
    return logicalAnd(greater(shifted.detach(), lowest), open);
  });
  const count = maximum(sum(cast(kept, dtype), -1, { keepDims: true }), 1);
  const own = where(kept, shifted, 0);
  const mean = div(sum(own, -1, { keepDims: true }), count);
  if (!half) return where(kept, sub(own, sub(mean, div(1, count))), 0);
  const spread = sum(where(kept, square(sub(own, mean)), 0), -1, { keepDims: true });
  const threshold = sub(mean, sqrt(div(sub(1, minimum(spread, 1)), count)));
  return where(kept, square(sub(own, threshold)), 0);
}
