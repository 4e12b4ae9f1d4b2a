import { HeedError, type RandomKey } from "@heed/tensor";

/** How `generate` picks the next token: `greedy()`, `sample(…)` or `beam(…)`. */
export type DecodingStrategy =
  | { readonly kind: "greedy" }
  | { readonly kind: "sample"; readonly key: RandomKey; readonly temperature: number; readonly topK: number; readonly topP: number }
  | { readonly kind: "beam"; readonly numBeams: number; readonly lengthPenalty: number };

export interface SampleOptions {
  /** The same key draws the same tokens. Sample b draws from a child of its own at each step, whoever else is in the batch. */
  readonly key: RandomKey;
  /** Logits are divided by it, above 0: below 1 sharpens, above 1 flattens. Default 1. */
  readonly temperature?: number;
  /** Only the k likeliest. Default all. */
  readonly topK?: number;
  /** Only the fewest likeliest that have this probability together, at least one; of those that topK leaves. From above 0 to 1. Default 1: all. */
  readonly topP?: number;
}

export interface BeamOptions {
  /** How many beginnings are kept per sample. */
  readonly numBeams: number;
  /**
   * α of the penalty `((5 + length) / 6)^α` by which the log-probability of a whole sequence is divided: 0 prefers short ones, 1 nearly the mean
   * per token. Default 0.6.
   */
  readonly lengthPenalty?: number;
}

/**
 * The likeliest token at each step: `arg max` of the logits `[V]` of each sample; of equal ones the lowest. `generate` refuses NaN.
 *
 * Letters: V vocabulary. Time O(V) a sample and step.
 * @see Elementary: arg max
 */
export function greedy(): DecodingStrategy {
  return { kind: "greedy" };
}

/**
 * A random token of the probabilities softmax(logits / temperature), cut off as asked. topK 1 is `greedy`; tokens of logit −∞ are never drawn.
 *
 * Letters: V vocabulary. Logits `[V]` of each sample. Time O(V) a sample and step, O(V log V) where topK or topP sorts them.
 * @throws {HeedError} for options out of range.
 * @see Fan, Lewis, Dauphin 2018 (top-k, arXiv:1805.04833); Holtzman et al. 2020 (top-p, arXiv:1904.09751)
 */
export function sample({ key, temperature = 1, topK = Infinity, topP = 1 }: SampleOptions): DecodingStrategy {
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new HeedError("sample", "temperature must be above 0 and finite", { temperature }, "For the likeliest token take greedy().");
  }
  if (topK !== Infinity && (!Number.isInteger(topK) || topK < 1))
    throw new HeedError("sample", "topK must be a whole number from 1 on", { topK });
  if (!(topP > 0 && topP <= 1)) throw new HeedError("sample", "topP must be above 0, and at most 1", { topP });
  return { kind: "sample", key, temperature, topK, topP };
}

/**
 * The likeliest sequence among those that a search finds which keeps `numBeams` beginnings per sample at each step. It ends when no beginning can
 * become better than what is found. Score: log P(tokens) / ((5 + length) / 6)^lengthPenalty. One beam without penalty is `greedy`.
 *
 * Letters: V vocabulary. Logits `[V]` of each beginning. Time O(numBeams V) a sample and step to choose, besides a pass over numBeams tokens, and a
 * copy of the cache.
 * @throws {HeedError} for options out of range.
 * @see Wu et al. 2016, §7, eq. 14 (arXiv:1609.08144), without its coverage term
 */
export function beam({ numBeams, lengthPenalty = 0.6 }: BeamOptions): DecodingStrategy {
  if (!Number.isInteger(numBeams) || numBeams < 1) throw new HeedError("beam", "numBeams must be a whole number from 1 on", { numBeams });
  if (!(lengthPenalty >= 0 && Number.isFinite(lengthPenalty)))
    throw new HeedError("beam", "lengthPenalty must not be negative", { lengthPenalty });
  return { kind: "beam", numBeams, lengthPenalty };
}
