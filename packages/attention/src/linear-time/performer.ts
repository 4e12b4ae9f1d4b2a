import { math } from "@heed/kernels";
import {
  add,
  cast,
  exp,
  greater,
  HeedError,
  matmul,
  max,
  mul,
  relu,
  ShapeError,
  square,
  sub,
  sum,
  Tensor,
  transpose,
  where,
  type RandomKey,
} from "@heed/tensor";
import { kernelised } from "./internal/kernelised.ts";
import { operandsOf, type LinearTimeOptions } from "./internal/operands.ts";
import type { Form } from "./internal/running-sums.ts";
import { requireForm } from "./linear-attention.ts";
import { orthogonalFeatures } from "./orthogonal-features.ts";

interface Shared extends LinearTimeOptions {
  /**
   * `"softmax"` (default): positive features whose products have the mean exp(q · k / √D), so that the result approximates softmax
   * attention. `"relu"`: max(w · x / D^¼, 0), an attention of its own.
   */
  readonly kernel?: "softmax" | "relu";
  /** Added to each feature, so that no divisor is 0. Default 0 for softmax, 0.001 for relu. */
  readonly eps?: number;
  /** As in `linearAttention`. Default `"chunked"`. */
  readonly form?: Form;
}

/** Directions are drawn from a key, or given: one of both. */
export type PerformerOptions = Shared &
  (
    | {
        /** Draws the directions, `orthogonalFeatures(key, numFeatures, D)`. */
        readonly key: RandomKey;
        /** Default ⌈D ln D⌉, at least D. */
        readonly numFeatures?: number;
        readonly directions?: undefined;
      }
    | {
        /** `[M, D]`, for directions that are drawn once and kept. No gradient reaches them. */
        readonly directions: Tensor;
        readonly key?: undefined;
        readonly numFeatures?: undefined;
      }
  );

/**
 * FAVOR+: softmax attention approximated by linear attention over M random features. With x′ = x / D^¼, φ(x) = (exp(w x′ − |x′|²/2 − c) +
 * eps) / √M for each direction w; c keeps exp in range, the largest w x′ of a query, or of all keys of a head, and cancels where eps is 0.
 * The result is Σ φ(q) · φ(k_j) v_j / Σ φ(q) · φ(k_j); the relative error of each φ(q) · φ(k) has variance at most (e^{|q′ + k′|²} − 1) /
 * M.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value, M features.
 * @param query `[B, H, L, D]`; leading axes may be left out and broadcast, as in `attention`
 * @param key `[B, Hkv, S, D]`
 * @param value `[B, Hkv, S, E]`
 * @param options.mask `causal()`, `padding(lengths)` or `and(…)` of both
 * @returns `[B, H, L, E]`; zeros for a query that sees no key. Causal: a key whose features are e^88 times smaller than the largest of its
 * head counts as none in float32, so queries that see such keys alone get zeros.
 * @throws {UnsupportedError} for another mask; {ShapeError} for operands or directions that do not fit; {HeedError} unless there is one of
 * key and directions, and for options out of range.
 *
 * Time O((L + S) M (D + E)), memory O((L + S) (M + E)).
 * @see Choromanski et al., "Rethinking Attention with Performers", 2021 (arXiv:2009.14794)
 * @example
 * const context = performer(query, key, value, { key: randomKey(7), numFeatures: 256, mask: causal() });
 */
export function performer(query: Tensor, key: Tensor, value: Tensor, options: PerformerOptions): Tensor {
  const name = "performer";
  const call = operandsOf(name, query, key, value, options, ["key", "numFeatures", "directions", "kernel", "eps", "form"]);
  const { kernel = "softmax", eps = kernel === "relu" ? 0.001 : 0, form = "chunked" } = options;
  requireForm(name, form);
  if (kernel !== "softmax" && kernel !== "relu") throw new HeedError(name, 'kernel is "softmax" or "relu"', { kernel });
  if (!(eps >= 0 && Number.isFinite(eps))) throw new HeedError(name, "eps must be finite, not negative", { eps });
  const directions = directionsOf(name, options, call.query);
  const shrink = math.pow(call.query.shape[3], -0.25);
  const features = kernel === "relu" ? reluFeatures : softmaxFeatures;
  const { output } = kernelised(
    call,
    (q, k, there) => ({
      query: features(mul(q, shrink), directions, eps, -1, undefined),
      key: features(mul(k, shrink), directions, eps, [-2, -1], there),
    }),
    { form, eps: 0, state: undefined },
  );
  return call.restore(output);
}

/** Without the factor 1 / √M, which cancels. @param over axes over which the largest exponent is taken out */
function softmaxFeatures(x: Tensor, directions: Tensor, eps: number, over: number | number[], there: Tensor | undefined): Tensor {
  const along = matmul(x, transpose(directions)); // [B, H, length, M]
  const seen = there === undefined ? along.detach() : where(there, along.detach(), -Infinity);
  const halves = mul(sum(square(x), -1, { keepDims: true }), 0.5);
  const values = exp(sub(along, add(halves, largest(seen, over))));
  return eps === 0 ? values : add(values, eps);
}

/** 0 where there is nothing to take it of. */
function largest(x: Tensor, over: number | number[]): Tensor | number {
  if (x.size === 0) return 0;
  const top = max(x, over, { keepDims: true });
  return where(greater(top, -Infinity), top, 0);
}

function reluFeatures(x: Tensor, directions: Tensor, eps: number): Tensor {
  return add(relu(matmul(x, transpose(directions))), eps);
}

function directionsOf(name: string, { key, numFeatures, directions }: PerformerOptions, query: Tensor): Tensor {
  const D = query.shape[3];
  const dtype = query.dtype as "float32" | "float64";
  if ((key === undefined) === (directions === undefined)) {
    throw new HeedError(name, "there must be either a key or directions", {}, "Pass key: randomKey(seed).");
  }
  if (directions === undefined) {
    const M = numFeatures ?? Math.max(D, Math.ceil(D * math.log(D)));
    return orthogonalFeatures(key!, M, D, { dtype });
  }
  if (numFeatures !== undefined) throw new HeedError(name, "numFeatures goes with key; directions have their own number", { numFeatures });
  if (!(directions instanceof Tensor) || directions.rank !== 2 || directions.shape[1] !== D || directions.shape[0] === 0) {
    const got = { directions: directions instanceof Tensor ? directions.shape : typeof directions, D };
    throw new ShapeError(name, "directions must be [M, D]", got);
  }
  return cast(directions.detach(), dtype);
}
