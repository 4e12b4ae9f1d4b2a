import { HeedError, ShapeError, Tensor } from "@heed/tensor";
import { eluPlusOne } from "./feature-map.ts";
import { kernelised, type LinearState } from "./internal/kernelised.ts";
import { operandsOf, type LinearTimeOptions, type Operands } from "./internal/operands.ts";
import type { Form } from "./internal/running-sums.ts";

export type { Form } from "./internal/running-sums.ts";
export type { LinearState } from "./internal/kernelised.ts";

export interface LinearAttentionOptions extends LinearTimeOptions {
  /** Of queries and keys, `[…, D]` → `[…, M]`, not negative. Default `eluPlusOne`. */
  readonly featureMap?: (x: Tensor) => Tensor;
  /** Added to the divisor. Default 1e-6, as the authors do. */
  readonly eps?: number;
  /**
   * `"chunked"` (default): time O((L + S) (M E + C (M + E))) in chunks of C = 64 (128 where M is above 128). `"parallel"`: the definition
   * over all pairs, O(L S). `"recurrent"`: key after key, as a recurrent network. All three agree but for rounding.
   */
  readonly form?: Form;
  /** What earlier keys left behind: a call goes on where another one ended. Default none. */
  readonly state?: LinearState;
}

/**
 * Linear attention, y_i = φ(q_i) S_i / (φ(q_i) · z_i + eps) with S_i = Σ φ(k_j) v_jᵀ and z_i = Σ φ(k_j) over the keys j that query i sees:
 * softmax's exp(q · k) replaced by φ(q) · φ(k), so that keys can be summed up once for all queries. Scores have no scale.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value, M features.
 * @param query `[B, H, L, D]`; leading axes may be left out and broadcast, as in `attention`
 * @param key `[B, Hkv, S, D]`, H a multiple of Hkv
 * @param value `[B, Hkv, S, E]`
 * @param options.mask `causal()`, `padding(lengths)` or `and(…)` of both
 * @param options.returns `["state"]` also gives the state after the last key that the last query sees: `s` `[B, Hkv, M, E]`, `z` `[B, Hkv,
 * M]`
 * @returns `[B, H, L, E]`. A query that sees no key, or whose divisor is 0, gets zeros; what a key holds that it does not see changes
 * nothing, NaN too. Without keys: zeros. L and S may differ: causal is aligned at the bottom right unless `queryOffset` says otherwise.
 * @throws {UnsupportedError} for another mask; {ShapeError} for operands, features or a state that do not fit; {HeedError} for options out
 * of range.
 *
 * Time O((L + S) (M E + C (M + E))) a head in chunks of C keys, memory linear in L + S too; `form` names the others. Composed of tensor operations,
 * so it differentiates any number of times. Half precision is widened to float32.
 * @see Katharopoulos et al., "Transformers are RNNs", 2020, §3.2 and §3.4 (arXiv:2006.16236); chunks: Hua et al. 2022 (arXiv:2202.10447)
 * @example
 * const context = linearAttention(query, key, value, { mask: causal() });
 * const { output, state } = linearAttention(query, key, value, { mask: causal(), returns: ["state"] });
 */
export function linearAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options?: LinearAttentionOptions & { readonly returns?: undefined },
): Tensor;
export function linearAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinearAttentionOptions & { readonly returns: readonly "state"[] },
): { readonly output: Tensor; readonly state: LinearState };
export function linearAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinearAttentionOptions & { readonly returns?: readonly "state"[] | undefined } = {},
): Tensor | { readonly output: Tensor; readonly state: LinearState } {
  const where = "linearAttention";
  const call = operandsOf(where, query, key, value, options, ["featureMap", "eps", "form", "state", "returns"]);
  const { featureMap = eluPlusOne, eps = 1e-6, form = "chunked", state } = options;
  requireForm(where, form);
  if (!(eps >= 0 && Number.isFinite(eps))) throw new HeedError(where, "eps must be finite, not negative", { eps });
  if (state !== undefined) checkState(where, state, call);
  const result = kernelised(call, (q, k) => ({ query: featureMap(q), key: featureMap(k) }), { form, eps, state });
  const output = call.restore(result.output);
  return options.returns === undefined ? output : { output, state: result.state };
}

export function requireForm(where: string, form: string): void {
  if (!["parallel", "chunked", "recurrent"].includes(form)) {
    throw new HeedError(where, 'form is "parallel", "chunked" or "recurrent"', { form });
  }
}

function checkState(where: string, { s, z }: LinearState, { key, value, context: { B } }: Operands): void {
  const [Hkv, E] = [key.shape[1], value.shape[3]];
  const fits =
    s instanceof Tensor &&
    z instanceof Tensor &&
    s.rank === 4 &&
    z.rank === 3 &&
    [s, z].every(({ shape, dtype }) => (shape[0] === B || shape[0] === 1) && shape[1] === Hkv && dtype === value.dtype) &&
    s.shape[2] === z.shape[2] &&
    s.shape[3] === E;
  if (fits) return;
  const got = { s: s instanceof Tensor ? s.shape : typeof s, z: z instanceof Tensor ? z.shape : typeof z, B, Hkv, E };
  throw new ShapeError(where, "state must be { s: [B, Hkv, M, E], z: [B, Hkv, M] } in the dtype of value", got);
}
