import { HeedError } from "@heed/tensor";

/** How scores become weights. A closed set: kernels know each of them. */
export type Normaliser =
  | { readonly kind: "softmax" }
  | { readonly kind: "relu"; readonly divideBy: "count" | "sum" }
  | { readonly kind: "sigmoid"; readonly bias: number }
  | { readonly kind: "identity" }
  | { readonly kind: "hard" };

/**
 * `exp(s) / Σ exp(s)` over the keys that may be seen; the default. A query that may see none gets zeros.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473)
 */
export function softmax(): Normaliser {
  return { kind: "softmax" };
}

/**
 * `max(s, 0)` over the number of keys that may be seen (`count`, the default) or over Σ max(s, 0) (`sum`; where that is 0, zeros). The gradient
 * at 0 is 0.
 * @throws {HeedError} for another divisor.
 * @see Wortsman et al. 2023 (arXiv:2309.08586)
 */
export function relu({ divideBy = "count" }: { readonly divideBy?: "count" | "sum" } = {}): Normaliser {
  if (divideBy !== "count" && divideBy !== "sum") throw new HeedError("relu", "divideBy is count or sum", { divideBy });
  return { kind: "relu", divideBy };
}

/**
 * `1 / (1 + e^−(s + bias))` for each key by itself: weights need not sum to 1.
 * @param options.bias default 0; −log S starts like softmax
 * @throws {HeedError} for a bias that is not finite.
 * @see Ramapuram et al. 2024 (arXiv:2409.04431)
 */
export function sigmoid({ bias = 0 }: { readonly bias?: number } = {}): Normaliser {
  if (!Number.isFinite(bias)) throw new HeedError("sigmoid", "bias must be finite", { bias });
  return { kind: "sigmoid", bias };
}

/** The scores themselves; 0 where the mask closes. */
export function identity(): Normaliser {
  return { kind: "identity" };
}

/** 1 for the highest score, 0 for the others; ties go to the lowest key. No gradient reaches the scores. */
export function hard(): Normaliser {
  return { kind: "hard" };
}
