import {
  add,
  HeedError,
  leakyRelu,
  linear,
  matmul,
  mul,
  reshape,
  ShapeError,
  sigmoid,
  slice,
  sum,
  tanh,
  uniform,
  unsqueeze,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import type { Score, ScoreForm } from "@heed/tensor/terms";
import { requireParameter, requireQueryKey } from "./internal/check.ts";

/** What an additive score learns. H is heads, A the hidden width. */
export interface AdditiveParameters {
  /** `[A, Dq]` */
  readonly queryWeight: Tensor;
  /** `[A, Dk]` */
  readonly keyWeight: Tensor;
  /** `[A]`, or `[H, A]` for query `[…, H, L, Dq]` */
  readonly vector: Tensor;
  /** `[A]`, inside the activation; default none */
  readonly bias?: Tensor;
}

export interface AdditiveOptions {
  /** Bahdanau's `tanh` (default), NARM's `sigmoid`, GATv2's `leakyRelu`. */
  readonly activation?: "tanh" | "sigmoid" | "leakyRelu";
  /** Of leakyRelu, below 0. Default 0.2, as in GATv2. */
  readonly negativeSlope?: number;
}

/**
 * `vectorᵀ tanh(queryWeight · query + keyWeight · key + bias)`, or with another activation: query `[…, L, Dq]`, key `[…, S, Dk]` → `[…, L, S]`.
 * Widths may differ.
 *
 * Letters: H heads, L queries, S keys, Dq and Dk their widths, A hidden width. Without queries or keys there are no scores.
 * @throws {HeedError} for another activation; {ShapeError} when a parameter does not fit, {DTypeError} when query and key differ in dtype, both when
 * the score is used.
 *
 * Time O((L Dq + S Dk) A + L S A); the dense form holds `[…, L, S, A]`, the lowered one `[…, L, A]` and `[…, S, A]`.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473), §A.1.2; Li et al. 2017 (NARM, arXiv:1711.04725), eq. 8; Brody, Alon, Yahav 2022 (GATv2,
 * arXiv:2105.14491), eq. 7
 */
export function additive(options: AdditiveParameters & AdditiveOptions): Score {
  const { queryWeight, keyWeight, vector, bias, activation = "tanh", negativeSlope = 0.2 } = options;
  requireActivation("additive", activation, negativeSlope);
  const projected = (query: Tensor, key: Tensor): [Tensor, Tensor] => {
    requireQueryKey("additive", query, key, "any");
    requireParameter("additive", "queryWeight", queryWeight, [null, query.shape.at(-1)!]);
    const hidden = queryWeight.shape[0];
    requireParameter("additive", "keyWeight", keyWeight, [hidden, key.shape.at(-1)!]);
    requireParameter("additive", "vector", vector, [hidden], query);
    if (bias !== undefined) requireParameter("additive", "bias", bias, [hidden]);
    return [linear(query, queryWeight, bias), linear(key, keyWeight)];
  };
  return {
    name: "additive",
    dense(query, key) {
      const [q, k] = projected(query, key);
      const hidden = add(unsqueeze(q, -2), unsqueeze(k, -3)); // [..., L, S, A]
      const active =
        activation === "tanh" ? tanh(hidden) : activation === "sigmoid" ? sigmoid(hidden) : leakyRelu(hidden, { slope: negativeSlope });
      if (vector.rank === 1) return matmul(active, vector);
      return sum(mul(active, reshape(vector, [vector.shape[0], 1, 1, vector.shape[1]])), -1);
    },
    lower(query, key): ScoreForm {
      const [q, k] = projected(query, key);
      return { form: "additive", query: q, key: k, vector, activation, ...(activation === "leakyRelu" ? { negativeSlope } : {}) };
    },
    parameters: () => ({ queryWeight, keyWeight, vector, ...(bias === undefined ? {} : { bias }) }),
  };
}

/** What `concatScore` learns. */
export interface ConcatParameters {
  /** `[A, Dq + Dk]` */
  readonly weight: Tensor;
  /** `[A]`, or `[H, A]` for query `[…, H, L, Dq]` */
  readonly vector: Tensor;
  /** `[A]`, inside the activation; default none */
  readonly bias?: Tensor;
  /** Dq: so many columns of weight are the query's. */
  readonly queryDim: number;
}

/**
 * `vectorᵀ tanh(weight · [query; key] + bias)`: additive with one matrix over both, `weight` `[A, Dq + Dk]`. Its first Dq = `queryDim`
 * columns are the query's. Everything else, odd cases too, as in `additive`. Time O((L Dq + S Dk) A + L S A).
 *
 * Letters: H heads, L queries, S keys, Dq and Dk their widths, A hidden width.
 * @throws {ShapeError} unless weight is a matrix wider than queryDim; and as `additive`.
 * @see Luong, Pham, Manning 2015 (arXiv:1508.04025), "concat"
 */
export function concatScore({ weight, vector, bias, queryDim, ...options }: ConcatParameters & AdditiveOptions): Score {
  if (weight.rank !== 2 || !Number.isInteger(queryDim) || queryDim < 1 || queryDim >= weight.shape[1]) {
    throw new ShapeError("concatScore", "weight must be [A, Dq + Dk], and queryDim its first part", { weight: weight.shape, queryDim });
  }
  const { activation = "tanh", negativeSlope = 0.2 } = options;
  requireActivation("concatScore", activation, negativeSlope);
  const score = () =>
    additive({
      queryWeight: slice(weight, 1, 0, queryDim),
      keyWeight: slice(weight, 1, queryDim),
      vector,
      ...(bias === undefined ? {} : { bias }),
      ...options,
    });
  return {
    name: "concatScore",
    dense: (query, key) => score().dense(query, key),
    lower: (query, key) => score().lower(query, key),
    parameters: () => ({ weight, vector, ...(bias === undefined ? {} : { bias }) }),
  };
}

function requireActivation(where: string, activation: string, negativeSlope: number): void {
  if (!["tanh", "sigmoid", "leakyRelu"].includes(activation))
    throw new HeedError(where, "activation is tanh, sigmoid or leakyRelu", { activation }, "For another, write a Score of your own.");
  if (!Number.isFinite(negativeSlope)) throw new HeedError(where, "negativeSlope must be finite", { negativeSlope });
}

/**
 * Fresh parameters for `additive`, uniform within ±1/√(width of what they multiply), with gradients: queryWeight `[A, Dq]`, keyWeight `[A, Dk]`,
 * vector `[A]` and, where asked for, bias `[A]`. In a module, hold them as its own: `new Parameter(…)` of `@heed/nn` for each.
 *
 * Letters: A hiddenDim, Dq queryDim, Dk keyDim. The same key draws the same numbers. Time O(A (Dq + Dk)).
 * @throws {ShapeError} unless widths are whole numbers from 1 on.
 * @see LeCun et al. 1998, "Efficient BackProp", §4.6 (bounds by the width of what comes in)
 */
export function initAdditive(
  key: RandomKey,
  {
    queryDim,
    keyDim,
    hiddenDim,
    bias = false,
  }: {
    readonly queryDim: number;
    readonly keyDim: number;
    readonly hiddenDim: number;
    readonly bias?: boolean;
  },
): AdditiveParameters {
  for (const [name, width] of Object.entries({ queryDim, keyDim, hiddenDim })) {
    if (!Number.isInteger(width) || width < 1)
      throw new ShapeError("initAdditive", `${name} must be a whole number from 1 on`, { [name]: width });
  }
  const draw = (name: string, shape: readonly number[], width: number) =>
    uniform(key.split(name), shape, { low: -1 / Math.sqrt(width), high: 1 / Math.sqrt(width), requiresGrad: true });
  return {
    queryWeight: draw("queryWeight", [hiddenDim, queryDim], queryDim),
    keyWeight: draw("keyWeight", [hiddenDim, keyDim], keyDim),
    vector: draw("vector", [hiddenDim], hiddenDim),
    ...(bias ? { bias: draw("bias", [hiddenDim], hiddenDim) } : {}),
  };
}
