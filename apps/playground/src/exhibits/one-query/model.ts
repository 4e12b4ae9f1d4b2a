/**
 * The only place that computes: every number of the exhibit comes from the packages, called here. The page itself does no
 * mathematics beyond where to draw.
 */
import { attention } from "@heed/attention/forward";
import * as normalisers from "@heed/attention/normalisers";
import type { Normaliser } from "@heed/attention/normalisers";
import { additive, bilinear, dot, gaussian, scaledDot } from "@heed/scoring";
import { add, cast, cumsum, exp, grad, matmul, mul, relu, scope, slice, sum, tensor, transpose, where, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import type { NormaliserName, ScoreName, Vector, View } from "./view.ts";

/** Everything that follows from a view. Lists have one entry for each key. */
export interface Reading {
  /** Of every key, also of those that may not be seen. */
  readonly scores: readonly number[];
  /** What a weight is a share of: e^score, or max(0, score); 0 where the query may not look. */
  readonly numerators: readonly number[];
  /** What the numerators are divided by. */
  readonly divisor: number;
  readonly weights: readonly number[];
  readonly totalWeight: number;
  /** Weight times vector. */
  readonly scaled: readonly Vector[];
  /** Where each scaled vector ends when they are laid tip to tail. */
  readonly tips: readonly Vector[];
  readonly context: Vector;
  /** The context as one gets it by hand, from weights rounded to two digits. */
  readonly contextByHand: Vector;
  /** How the weight of the target changes as the query moves. */
  readonly slope: Vector | undefined;
  /** Where one step of gradient ascent on that weight would take the query: query + slope. */
  readonly uphill: Vector | undefined;
}

/** The additive score's parameters here: simple ones, so that a reader can check the numbers. */
export const additiveParameters = {
  queryWeight: [
    [1, 0],
    [0, 1],
  ],
  keyWeight: [
    [1, 0],
    [0, 1],
  ],
  vector: [1, 1],
};

/** The bilinear score's matrix: it swaps the coordinates. */
export const bilinearWeight = [
  [0, 1],
  [1, 0],
];

const makeScore: Record<ScoreName, () => Score> = {
  dot: () => dot(),
  scaledDot: () => scaledDot(),
  additive: () =>
    additive({
      queryWeight: tensor(additiveParameters.queryWeight),
      keyWeight: tensor(additiveParameters.keyWeight),
      vector: tensor(additiveParameters.vector),
    }),
  bilinear: () => bilinear({ weight: tensor(bilinearWeight) }),
  gaussian: () => gaussian(),
};

const makeNormaliser: Record<NormaliserName, () => Normaliser> = {
  softmax: () => normalisers.softmax(),
  reluSum: () => normalisers.relu({ divideBy: "sum" }),
  reluCount: () => normalisers.relu({ divideBy: "count" }),
  sigmoid: () => normalisers.sigmoid(),
  hard: () => normalisers.hard(),
};

export function compute(view: View): Reading {
  return scope(() => {
    const query = tensor([[...view.query]]); // [1, 2]
    const states = tensor(view.keys.map((key) => [...key])); // [3, 2], keys and values
    const seen = tensor([[...view.seen]]); // [1, 3]
    const [score, normaliser] = [makeScore[view.score](), makeNormaliser[view.normaliser]()];
    const output = attention(query, states, states, { score, normaliser, mask: seen });
    // Attention keeps neither scores nor weights: for the steps in between, and how they change, their definitions.
    const scores = score.dense(query, states);
    const weightsFor = (given: Tensor) => normalisers.normalise(where(seen, given, -Infinity), normaliser);
    const weights = weightsFor(scores);
    const open = cast(seen, "float32");
    const numerators = mul(view.normaliser === "softmax" ? exp(scores) : relu(scores), open);
    const scaled = mul(transpose(weights), states); // [3, 2]
    const byHand = tensor([numbers(weights).map((each) => Number(each.toFixed(2)))]);
    const slopeOf = (target: number) =>
      grad((moved: Tensor) => slice(weightsFor(score.dense(moved, states)), -1, target, target + 1))(query);
    const slope = view.target < 0 ? undefined : slopeOf(view.target);
    return {
      scores: numbers(scores),
      numerators: numbers(numerators),
      divisor: sum(view.normaliser === "reluCount" ? open : numerators).item(),
      weights: numbers(weights),
      totalWeight: sum(weights).item(),
      scaled: vectors(scaled),
      tips: vectors(cumsum(scaled, 0)),
      context: vectors(output)[0]!,
      contextByHand: vectors(matmul(byHand, states))[0]!,
      slope: slope && vectors(slope)[0]!,
      uphill: slope && vectors(add(query, slope))[0]!,
    };
  });
}

function numbers(x: Tensor): number[] {
  return Array.from(x.toTypedArray());
}

function vectors(x: Tensor): Vector[] {
  const flat = numbers(x);
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}
