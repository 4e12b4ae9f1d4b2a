import { add, linear, matmul, ShapeError, slice, tanh, unsqueeze, type RandomKey, type Tensor, uniform } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { requireParameter, requireQueryKey } from "./internal/check.ts";

/** What an additive score learns. A is the hidden width. */
export interface AdditiveParameters {
  /** `[A, Dq]` */
  readonly queryWeight: Tensor;
  /** `[A, Dk]` */
  readonly keyWeight: Tensor;
  /** `[A]` */
  readonly vector: Tensor;
  /** `[A]`, inside the tanh; default none */
  readonly bias?: Tensor;
}

/**
 * `vectorᵀ tanh(queryWeight · query + keyWeight · key + bias)`: query `[…, L, Dq]`, key `[…, S, Dk]` → `[…, L, S]`. Widths may differ.
 *
 * Letters: L queries, S keys, Dq and Dk their widths, A hidden width.
 * @throws {ShapeError} when a parameter does not fit; {DTypeError} when query and key differ in dtype. Both when the score is used.
 *
 * Time O((L Dq + S Dk) A + L S A); the dense form holds `[…, L, S, A]`, the lowered one `[…, L, A]` and `[…, S, A]`.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473), §A.1.2
 */
export function additive({ queryWeight, keyWeight, vector, bias }: AdditiveParameters): Score {
  const projected = (query: Tensor, key: Tensor): [Tensor, Tensor] => {
    requireQueryKey("additive", query, key, "any");
    requireParameter("additive", "queryWeight", queryWeight, [null, query.shape.at(-1)!]);
    const hidden = queryWeight.shape[0];
    requireParameter("additive", "keyWeight", keyWeight, [hidden, key.shape.at(-1)!]);
    requireParameter("additive", "vector", vector, [hidden]);
    if (bias !== undefined) requireParameter("additive", "bias", bias, [hidden]);
    return [linear(query, queryWeight, bias), linear(key, keyWeight)];
  };
  return {
    name: "additive",
    dense(query, key) {
      const [q, k] = projected(query, key);
      return matmul(tanh(add(unsqueeze(q, -2), unsqueeze(k, -3))), vector);
    },
    lower(query, key) {
      const [q, k] = projected(query, key);
      return { form: "additive", query: q, key: k, vector, activation: "tanh" };
    },
    parameters: () => ({ queryWeight, keyWeight, vector, ...(bias === undefined ? {} : { bias }) }),
  };
}

/**
 * `vectorᵀ tanh(weight · [query; key] + bias)`: additive with one matrix over both, `weight` `[A, Dq + Dk]`. Its first Dq = `queryDim`
 * columns are the query's. Everything else as in `additive`.
 * @throws {ShapeError} unless weight is a matrix wider than queryDim.
 * @see Luong, Pham, Manning 2015 (arXiv:1508.04025), "concat"
 */
export function concatScore({
  weight,
  vector,
  bias,
  queryDim,
}: {
  readonly weight: Tensor;
  readonly vector: Tensor;
  readonly bias?: Tensor;
  readonly queryDim: number;
}): Score {
  if (weight.rank !== 2 || !Number.isInteger(queryDim) || queryDim < 1 || queryDim >= weight.shape[1]) {
    throw new ShapeError("concatScore", "weight must be [A, Dq + Dk], and queryDim its first part", { weight: weight.shape, queryDim });
  }
  const score = () =>
    additive({
      queryWeight: slice(weight, 1, 0, queryDim),
      keyWeight: slice(weight, 1, queryDim),
      vector,
      ...(bias === undefined ? {} : { bias }),
    });
  return {
    name: "concatScore",
    dense: (query, key) => score().dense(query, key),
    lower: (query, key) => score().lower(query, key),
    parameters: () => ({ weight, vector, ...(bias === undefined ? {} : { bias }) }),
  };
}

/**
 * Fresh parameters for `additive`, uniform within ±1/√(what they multiply), with gradients. In a module, hold them as its own:
 * `new Parameter(…)` of `@heed/nn` for each.
 * @throws {ShapeError} unless widths are whole numbers from 1 on.
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
