import {
  add,
  concat,
  DTypeError,
  div,
  equal,
  HeedError,
  linear,
  matmul,
  reshape,
  ShapeError,
  slice,
  squeeze,
  sum,
  Tensor,
  transpose,
  unsqueeze,
  where,
  zeros,
} from "@heed/tensor";
import { eluPlusOne } from "@heed/attention/linear-time";

export interface LinearAttentionToRnnOptions {
  /** `[H · D, I]`, head after head, as a `Linear`'s weight. */
  readonly queryWeight: Tensor;
  /** `[H · D, I]` */
  readonly keyWeight: Tensor;
  /** `[H · E, I]` */
  readonly valueWeight: Tensor;
  readonly numHeads: number;
  /** As of `linearAttention`. Default `eluPlusOne`. */
  readonly featureMap?: (x: Tensor) => Tensor;
  /** As of `linearAttention`. Default 1e-6. */
  readonly eps?: number;
}

/** All that the recurrence remembers: its size does not grow with the steps. (A type, not an interface: so it is a tree of tensors.) */
export type FastWeightState = {
  /** Fast weights, written at each step: Σ φ(k) vᵀ, `[B, H, M, E]`. */
  readonly s: Tensor;
  /** Σ φ(k), `[B, H, M]`. */
  readonly z: Tensor;
};

/** Causal linear attention as a recurrent network. */
export interface LinearAttentionRnn {
  /** One step: x `[B, I]` and a state (default: nothing seen) → `[B, H · E]` and the next state. */
  step(x: Tensor, state?: FastWeightState): { readonly output: Tensor; readonly state: FastWeightState };
  /** Step after step: x `[B, L, I]` → `[B, L, H · E]`, and the state after the last. Without steps the state that came, or zeros. */
  forward(x: Tensor, state?: FastWeightState): { readonly output: Tensor; readonly state: FastWeightState };
}

/**
 * Causal linear attention as a recurrence with fast weights (a theorem: "Transformers are RNNs"). At each step
 * `s ← s + φ(W_k x) (W_v x)ᵀ`, `z ← z + φ(W_k x)`, `y = φ(W_q x)ᵀ s / (φ(W_q x) · z + eps)`: the same numbers as `linearAttention` with
 * `mask: causal()` over all steps at once, in constant memory per step.
 *
 * Letters: B batch, L steps, I input width, H heads, D width of a query or key, E width of a value, M features.
 * @throws {ShapeError} for weights, an input or a state that do not fit; {DTypeError} when dtypes differ; {HeedError} for a number of heads
 * that does not divide.
 *
 * Time O(B H M E) a step. Differentiable, through all steps.
 * @see Katharopoulos et al. 2020, §3.4 (arXiv:2006.16236); Schmidhuber 1992 (fast weights)
 * @example
 * const rnn = linearAttentionToRnn({ queryWeight, keyWeight, valueWeight, numHeads: 4 });
 * let { output, state } = rnn.step(x0);
 * ({ output, state } = rnn.step(x1, state));
 */
export function linearAttentionToRnn(options: LinearAttentionToRnnOptions): LinearAttentionRnn {
  const name = "linearAttentionToRnn";
  const { queryWeight, keyWeight, valueWeight, numHeads: H, featureMap = eluPlusOne, eps = 1e-6 } = options;
  checkWeights(name, { queryWeight, keyWeight, valueWeight }, H);
  const dtype = queryWeight.dtype as "float32";
  const I = queryWeight.shape[1];
  const E = valueWeight.shape[0] / H;
  const heads = (x: Tensor, weight: Tensor) => reshape(linear(x, weight), [x.shape[0], H, 1, weight.shape[0] / H]);

  const step: LinearAttentionRnn["step"] = (x, state) => {
    checkInput(name, "x", x, ["B", I], dtype);
    const B = x.shape[0];
    const [query, key, value] = [featureMap(heads(x, queryWeight)), featureMap(heads(x, keyWeight)), heads(x, valueWeight)];
    const M = key.shape[3];
    if (state !== undefined) checkState(name, state, [B, H, M, E], dtype);
    const written = matmul(transpose(key), value); // [B, H, M, E]
    const seen = squeeze(key, 2);
    const next = state === undefined ? { s: written, z: seen } : { s: add(state.s, written), z: add(state.z, seen) };
    const divisor = add(sum(query.mul(unsqueeze(next.z, 2)), -1, { keepDims: true }), eps); // [B, H, 1, 1]
    const read = div(matmul(query, next.s), where(equal(divisor, 0), 1, divisor));
    return { output: reshape(read, [B, H * E]), state: next };
  };

  return {
    step,
    forward(x, start) {
      checkInput(name, "x", x, ["B", "L", I], dtype);
      const [B, L] = x.shape;
      let state = start;
      const rows = Array.from({ length: L }, (_, t) => {
        const one = step(squeeze(slice(x, 1, t, t + 1), 1), state);
        state = one.state;
        return unsqueeze(one.output, 1);
      });
      if (rows.length > 0) return { output: concat(rows, 1), state: state! };
      const M = featureMap(zeros([1, H, 1, keyWeight.shape[0] / H], { dtype })).shape[3];
      const nothing = { s: zeros([B, H, M, E], { dtype }), z: zeros([B, H, M], { dtype }) };
      return { output: zeros([B, 0, H * E], { dtype }), state: state ?? nothing };
    },
  };
}

function checkWeights(name: string, weights: Readonly<Record<string, Tensor>>, H: number): void {
  const { queryWeight, keyWeight } = weights;
  for (const [which, weight] of Object.entries(weights)) {
    if (!(weight instanceof Tensor) || weight.rank !== 2 || weight.shape[1] !== queryWeight.shape[1]) {
      const got = { [which]: weight instanceof Tensor ? weight.shape : typeof weight, queryWeight: queryWeight.shape };
      throw new ShapeError(name, `${which} must be [heads · width, I], with the input width I of all`, got);
    }
    if (weight.dtype !== queryWeight.dtype) {
      throw new DTypeError(name, "weights must share a dtype", { [which]: weight.dtype, queryWeight: queryWeight.dtype });
    }
    if (!Number.isInteger(H) || H < 1 || weight.shape[0] % H !== 0) {
      throw new HeedError(name, `numHeads must divide the rows of ${which}`, { numHeads: H, [which]: weight.shape });
    }
  }
  if (queryWeight.shape[0] !== keyWeight.shape[0]) {
    throw new ShapeError(name, "queries and keys must have one width", { queryWeight: queryWeight.shape, keyWeight: keyWeight.shape });
  }
}

function checkInput(name: string, what: string, x: Tensor, shape: readonly (number | string)[], dtype: string): void {
  const fits = x instanceof Tensor && x.rank === shape.length && shape.every((n, axis) => typeof n === "string" || n === x.shape[axis]);
  if (!fits) throw new ShapeError(name, `${what} must be [${shape.join(", ")}]`, { [what]: x instanceof Tensor ? x.shape : typeof x });
  if (x.dtype !== dtype) throw new DTypeError(name, `${what} must have the dtype of the weights`, { [what]: x.dtype, weights: dtype });
}

function checkState(name: string, { s, z }: FastWeightState, shape: readonly number[], dtype: string): void {
  checkInput(name, "state.s", s, shape, dtype);
  checkInput(name, "state.z", z, shape.slice(0, 3), dtype);
}
