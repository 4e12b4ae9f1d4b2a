import {
  add,
  any,
  argmax,
  cast,
  div,
  equal,
  logicalAnd,
  notEqual,
  relu,
  sigmoid,
  softmax,
  sum,
  tensor,
  unsqueeze,
  where,
  type Tensor,
} from "@heed/tensor";
import type { RealDType } from "@heed/tensor/operation";
import type { Normaliser } from "../normalisers.ts";

/** Weights `[…, L, S]` of masked scores; where a score is −∞ the weight is 0. A NaN among the scores of a row shows in its weights. */
export function normalise(scores: Tensor, normaliser: Normaliser): Tensor {
  if (normaliser.kind === "softmax") return softmax(scores, -1);
  const fixed = scores.detach();
  const dtype = scores.dtype as RealDType;
  const open = notEqual(fixed, -Infinity);
  const finite = where(open, scores, 0);
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
    case "hard": {
      const S = scores.shape.at(-1)!;
      if (S === 0) return finite;
      const keys = tensor(Int32Array.from({ length: S }, (_, j) => j));
      const best = logicalAnd(equal(keys, unsqueeze(argmax(fixed, -1), -1)), open);
      return where(any(notEqual(fixed, fixed), -1, { keepDims: true }), NaN, cast(best, dtype));
    }
  }
}
