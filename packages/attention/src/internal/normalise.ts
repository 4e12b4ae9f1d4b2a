import {
  add,
  argmax,
  cast,
  div,
  equal,
  greater,
  logicalAnd,
  relu,
  sigmoid,
  softmax,
  sum,
  tensor,
  unsqueeze,
  where,
  type Tensor,
} from "@heed/tensor";
import type { Normaliser } from "../normalisers.ts";

/** Weights `[…, L, S]` of masked scores; where a score is −∞ the weight is 0. */
export function normalise(scores: Tensor, normaliser: Normaliser): Tensor {
  if (normaliser.kind === "softmax") return softmax(scores, -1);
  const open = greater(scores.detach(), -Infinity);
  const finite = where(open, scores, 0);
  switch (normaliser.kind) {
    case "relu": {
      const kept = relu(finite);
      const divisor =
        normaliser.divideBy === "sum"
          ? sum(kept, -1, { keepDims: true })
          : sum(cast(open, scores.dtype as "float32"), -1, { keepDims: true });
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
      const best = equal(keys, unsqueeze(argmax(scores.detach(), -1), -1));
      return cast(logicalAnd(best, open), scores.dtype as "float32");
    }
  }
}
