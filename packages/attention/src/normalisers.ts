import { HeedError, type RandomKey } from "@heed/tensor";

/**
 * How scores become weights, row by row: `[B, H, L, S]` → the same. A closed set: kernels know each of them. A query that may see no key gets zeros
 * from all, and a closed pair weighs 0.
 */
export type Normaliser =
  | Softmax
  | { readonly kind: "relu"; readonly divideBy: "count" | "sum" }
  | { readonly kind: "sigmoid"; readonly bias: number }
  | { readonly kind: "identity" }
  | { readonly kind: "hard"; readonly straightThrough?: StraightThrough }
  | { readonly kind: "topK"; readonly k: number }
  | { readonly kind: "sparsemax" }
  | { readonly kind: "entmax15" };

/** Those without a logarithm of a sum: they go neither with a sink nor with `lse`. */
export type OtherNormaliser = Exclude<Normaliser, Softmax>;

/** The only one that a sink and lse go with. */
export interface Softmax {
  readonly kind: "softmax";
}

/** The gradient that `hard` lends from a softmax. */
export interface StraightThrough {
  /** Of the softmax, above 0. Default 1. */
  readonly temperature?: number;
  /** Draws Gumbel noise that is added to the scores first: then the choice is a sample of the softmax. Default: no noise. */
  readonly key?: RandomKey;
}

/**
 * `exp(s) / Σ exp(s)` over the keys that may be seen; the default. Time O(1) a pair, an exponential in one sweep.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473)
 */
export function softmax(): Softmax {
  return { kind: "softmax" };
}

/**
 * `max(s, 0)` over the number of keys that may be seen (`count`, the default) or over Σ max(s, 0) (`sum`; where that is 0, zeros). The gradient
 * at 0 is 0. Weights by `count` need not sum to 1. Time O(1) a pair, nothing transcendental.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @throws {HeedError} for another divisor.
 * @see Wortsman et al. 2023 (arXiv:2309.08586)
 */
export function relu({ divideBy = "count" }: { readonly divideBy?: "count" | "sum" } = {}): OtherNormaliser {
  if (divideBy !== "count" && divideBy !== "sum") throw new HeedError("relu", "divideBy is count or sum", { divideBy });
  return { kind: "relu", divideBy };
}

/**
 * `1 / (1 + e^−(s + bias))` for each key by itself: weights need not sum to 1, and no key hears of another. Time O(1) a pair,
 * an exponential.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @param options.bias default 0; −log S starts like softmax
 * @throws {HeedError} for a bias that is not finite.
 * @see Ramapuram et al. 2024 (arXiv:2409.04431)
 */
export function sigmoid({ bias = 0 }: { readonly bias?: number } = {}): OtherNormaliser {
  if (!Number.isFinite(bias)) throw new HeedError("sigmoid", "bias must be finite", { bias });
  return { kind: "sigmoid", bias };
}

/**
 * The scores themselves; 0 where the mask closes. Leaves attention linear in queries, keys and values each: under `causal()`, what
 * `recurrentAttention` with the rule "linear" computes in linear time. Time O(1) a pair, with nothing to compute.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @see Katharopoulos et al. 2020 (arXiv:2006.16236), without feature maps and division
 */
export function identity(): OtherNormaliser {
  return { kind: "identity" };
}

/**
 * 1 for the highest score, 0 for the others; ties go to the lowest key. No gradient reaches the scores, unless `straightThrough` asks for that of
 * `softmax((s + noise) / temperature)`: the choice of the forward pass is then as hard, its gradient is not. Time O(1) a pair, a comparison; with
 * `straightThrough` an exponential too, and backward goes over the pairs twice.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @throws {HeedError} for a temperature that is not above 0.
 * @see Xu et al. 2015 (hard attention, arXiv:1502.03044); Jang, Gu, Poole 2017 (straight-through Gumbel-softmax, arXiv:1611.01144)
 */
export function hard({ straightThrough }: { readonly straightThrough?: StraightThrough } = {}): OtherNormaliser {
  if (straightThrough === undefined) return { kind: "hard" };
  const { temperature = 1 } = straightThrough;
  if (!(temperature > 0 && Number.isFinite(temperature))) throw new HeedError("hard", "temperature must be above 0", { temperature });
  return { kind: "hard", straightThrough };
}

/**
 * Softmax over the k highest scores of those that may be seen; weight 0 for the others. Ties go to the lowest key; k above their number keeps all.
 * Time O(1) a pair and sweep: the k-th score of a row is searched for in a few sweeps over it.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @throws {HeedError} unless k is a whole number from 1 on.
 * @see Zhao et al. 2019 (explicit sparse attention, arXiv:1912.11637)
 */
export function topK(k: number): OtherNormaliser {
  if (!Number.isInteger(k) || k < 1) throw new HeedError("topK", "k must be a whole number from 1 on", { k });
  return { kind: "topK", k };
}

/**
 * The probabilities that lie closest to the scores: `max(s − τ, 0)`, with τ such that they sum to 1. Low scores get exactly 0.
 * Time O(1) a pair and sweep: τ is searched for in a few sweeps over a row.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @see Martins and Astudillo 2016 (arXiv:1602.02068)
 */
export function sparsemax(): OtherNormaliser {
  return { kind: "sparsemax" };
}

/**
 * Halfway between softmax and sparsemax: `max(s / 2 − τ, 0)²`, with τ such that they sum to 1. Low scores get exactly 0. Time O(1) a pair
 * and sweep: τ is searched for in a few sweeps over a row.
 * Shapes, and rows that see nothing, as `Normaliser` says.
 * @see Peters, Niculae, Martins 2019 (arXiv:1905.05702)
 */
export function entmax15(): OtherNormaliser {
  return { kind: "entmax15" };
}

export { normalise } from "./internal/normalise.ts";
