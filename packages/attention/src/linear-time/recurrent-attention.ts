import {
  add,
  all,
  broadcastTo,
  concat,
  cumsum,
  DTypeError,
  equal,
  exp,
  HeedError,
  matmul,
  mul,
  noGrad,
  pad,
  reshape,
  ShapeError,
  slice,
  squeeze,
  sub,
  sum,
  Tensor,
  transpose,
  tril,
  unsqueeze,
  where,
  zeros,
} from "@heed/tensor";
import { prepare } from "../internal/prepare.ts";
import { refuseUnknown } from "./internal/operands.ts";
import { lowerTriangle, unitLowerInverse } from "./internal/unit-lower-inverse.ts";

interface Shared {
  /** Of what is read. Default 1 / √D. */
  readonly scale?: number;
  /** What earlier steps left behind, `[B | 1, Hkv, D, E]`: a call goes on where another one ended. Default zeros. */
  readonly state?: Tensor;
  /** `"chunked"` (default): products over chunks of steps; `"recurrent"`: step after step, as defined. They agree but for rounding. */
  readonly form?: "chunked" | "recurrent";
}

/** Which rule needs what. */
export type RecurrentAttentionOptions = Shared &
  (
    | { readonly updateRule: "linear"; readonly decay?: undefined; readonly beta?: undefined }
    | { readonly updateRule: "gated"; readonly decay: Tensor; readonly beta?: undefined }
    | { readonly updateRule: "delta"; readonly decay?: undefined; readonly beta: Tensor }
    | { readonly updateRule: "gatedDelta"; readonly decay: Tensor; readonly beta: Tensor }
  );

/**
 * Attention as a recurrence: a state M, a matrix per key/value head, is written and then read at each step t:
 *
 * 1. decay (gated, gatedDelta): row d of M is multiplied by exp(decay_t[d]);
 * 2. correction (delta, gatedDelta): u = beta_t (v_t − Mᵀ k_t), what the state does not answer yet for this key; else u = v_t;
 * 3. write: M ← M + k_t uᵀ;
 * 4. read: y_t = scale · Mᵀ q_t.
 *
 * ONNX's `LinearAttention`; unlike `linearAttention` it has no features and divides by nothing.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L steps, D width of a query or key, E width of a value.
 * @param query `[B, H, L, D]`; leading axes may be left out and broadcast, as in `attention`
 * @param key `[B, Hkv, L, D]`, H a multiple of Hkv; for the delta rules of length 1: longer ones can make the recurrence diverge
 * @param value `[B, Hkv, L, E]`
 * @param options.decay logarithms of factors, at most 0 as a rule: `[B, Hkv | 1, L, D]`, or `[…, L, 1]` for all rows of the state alike
 * @param options.beta `[B, Hkv | 1, L]`, how much is corrected
 * @param options.returns `["state"]` also gives the state after the last step, `[B, Hkv, D, E]`
 * @returns `[B, H, L, E]`. Without steps: nothing, and the state as it was. A step never hears of later ones, NaN neither.
 * @throws {ShapeError} for shapes that do not fit, or when queries and keys are not as many; {DTypeError} when dtypes differ; {HeedError}
 * when a rule lacks what it needs or gets what it does not use.
 *
 * Time O(L (D E + C (D + E))) per head in chunks of C = 32 steps (16 where decay has a number per row, then with C D numbers of memory per
 * step), one chunk after the other; composed of tensor operations. Half precision is widened to float32.
 * @see Yang et al. 2024, gated linear attention (arXiv:2312.06635); Schlag et al. 2021 (arXiv:2102.11174) and Yang et al. 2024
 * (arXiv:2406.06484), delta rule and its chunks; Yang et al. 2025, gated delta rule (arXiv:2412.06464)
 * @example
 * const { output, state } = recurrentAttention(q, k, v, { updateRule: "gatedDelta", decay, beta, returns: ["state"] });
 */
export function recurrentAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: RecurrentAttentionOptions & { readonly returns?: undefined },
): Tensor;
export function recurrentAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: RecurrentAttentionOptions & { readonly returns: readonly "state"[] },
): { readonly output: Tensor; readonly state: Tensor };
export function recurrentAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: RecurrentAttentionOptions & { readonly returns?: readonly "state"[] | undefined },
): Tensor | { readonly output: Tensor; readonly state: Tensor } {
  const name = "recurrentAttention";
  refuseUnknown(name, options, ["updateRule", "decay", "beta", "scale", "state", "form", "returns"]);
  const call = prepare(name, query, key, value, {});
  const { B, H, L, S } = call.context;
  if (L !== S) {
    throw new ShapeError(name, "a step has one query, key and value: their lengths must agree", { query: query.shape, key: key.shape });
  }
  const { D, E, Hkv } = { D: call.query.shape[3], E: call.value.shape[3], Hkv: call.key.shape[1] };
  if (call.key.shape[3] !== D) throw new ShapeError(name, "query and key must have one width D", { query: query.shape, key: key.shape });
  const { decay, beta } = gatesOf(name, options, call.query, [B, Hkv, L, D]);
  const { scale = 1 / Math.sqrt(D), form = "chunked" } = options;
  if (form !== "chunked" && form !== "recurrent") throw new HeedError(name, 'form is "chunked" or "recurrent"', { form });
  if (!Number.isFinite(scale)) throw new HeedError(name, "scale must be finite", { scale });
  const state = stateOf(name, options.state, call.query, [B, Hkv, D, E]);

  const steps: Steps = {
    query: reshape(call.query, [call.query.shape[0], Hkv, call.group, L, D]),
    key: unsqueeze(call.key, 2),
    value: unsqueeze(call.value, 2),
    decay: decay === undefined ? undefined : unsqueeze(decay, 2),
    beta: beta === undefined ? undefined : unsqueeze(beta, 2),
    state: unsqueeze(state, 2),
  };
  let result = form === "recurrent" ? oneByOne(steps) : chunked(steps);
  // Within a chunk steps meet later ones, as products with 0, which NaN and infinities survive.
  if (form === "chunked" && !isFinite(result.read)) result = oneByOne(steps);
  const whole = (x: Tensor, shape: readonly number[]) => broadcastTo(reshape(x, [x.shape[0], ...shape.slice(1)]), shape);
  const output = call.restore(whole(mul(result.read, scale), [B, H, L, E]));
  return options.returns === undefined ? output : { output, state: whole(result.state, [B, Hkv, D, E]) };
}

/** `[B | 1, Hkv, G | 1, L, …]`; beta `[…, L, 1]`; the state `[…, D, E]`. */
interface Steps {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly decay: Tensor | undefined;
  readonly beta: Tensor | undefined;
  readonly state: Tensor;
}

interface Result {
  /** Mᵀ q of each step, without scale. */
  readonly read: Tensor;
  readonly state: Tensor;
}

function oneByOne({ query, key, value, decay, beta, state: start }: Steps): Result {
  const L = query.shape.at(-2)!;
  let state = start;
  const rows = Array.from({ length: L }, (_, t) => {
    const at = (x: Tensor) => slice(x, -2, t, t + 1);
    const k = at(key);
    if (decay !== undefined) state = mul(state, transpose(exp(at(decay))));
    const u = beta === undefined ? at(value) : mul(at(beta), sub(at(value), matmul(k, state)));
    state = add(state, matmul(transpose(k), u));
    return matmul(at(query), state);
  });
  return { read: rows.length === 0 ? matmul(query, state) : concat(rows, -2), state };
}

/**
 * With G the decay summed up within the chunk and M the state before it, u of all steps of a chunk solves
 * (I + T) U = β (V − (e^G K) M), T_ij = β_i Σ_d k_id e^{G_id − G_jd} k_jd for j < i: one triangular inverse per chunk, which does not need
 * M.
 */
function chunked({ query, key, value, decay, beta, state: start }: Steps): Result {
  const L = query.shape.at(-2)!;
  const byRow = decay !== undefined && decay.shape.at(-1) !== 1;
  let C = byRow ? 16 : 32; // A power of two, for the triangular inverse; no longer than there are steps.
  while (C >= 2 * Math.max(1, L)) C /= 2;
  const chunks = Math.max(1, Math.ceil(L / C));
  const cut = (x: Tensor) => {
    const longer = pad(
      x,
      x.shape.map((_, axis): [number, number] => [0, axis === x.rank - 2 ? chunks * C - L : 0]),
    );
    return reshape(longer, [...x.shape.slice(0, -2), chunks, C, x.shape.at(-1)!]);
  };
  const [q, k, v] = [cut(query), cut(key), cut(value)]; // [B, Hkv, G | 1, chunks, C, …]
  const sums = decay === undefined ? undefined : cumsum(cut(decay), -2);
  const between = sums === undefined ? undefined : decayBetween(sums, C);
  const end = sums === undefined ? undefined : slice(sums, -2, C - 1);

  const reads = pairs(q, k, between, byRow);
  const queries = sums === undefined ? q : mul(q, exp(sums));
  const keys = sums === undefined ? k : mul(k, exp(sub(end!, sums)));
  const corrected = beta === undefined ? undefined : correction(k, v, cut(beta), sums, between, byRow);

  let state = start;
  const parts = Array.from({ length: chunks }, (_, n) => {
    const at = (x: Tensor) => squeeze(slice(x, -3, n, n + 1), -3);
    const u = corrected === undefined ? at(v) : sub(at(corrected.values), matmul(at(corrected.keys), state));
    const read = add(matmul(at(queries), state), matmul(at(reads), u));
    const kept = end === undefined ? state : mul(state, transpose(exp(at(end))));
    state = add(kept, matmul(transpose(at(keys)), u));
    return read;
  });
  return { read: slice(concat(parts, -2), -2, 0, L), state };
}

/** (I + T)⁻¹ β V and (I + T)⁻¹ β e^G K. */
function correction(
  k: Tensor,
  v: Tensor,
  beta: Tensor,
  sums: Tensor | undefined,
  between: Tensor | undefined,
  byRow: boolean,
): { values: Tensor; keys: Tensor } {
  const inverse = unitLowerInverse(tril(mul(beta, pairs(k, k, between, byRow)), -1));
  const decayed = sums === undefined ? k : mul(k, exp(sums));
  return { values: matmul(inverse, mul(beta, v)), keys: matmul(inverse, mul(beta, decayed)) };
}

/** e^{G_i − G_j} for j ≤ i, else 0: `[…, C, C]`, or `[…, C, C, D]`. The differences are at most 0 where decay is: none overflows. */
function decayBetween(sums: Tensor, C: number): Tensor {
  const differences = sub(unsqueeze(sums, -2), unsqueeze(sums, -3)); // [..., C, C, D | 1]
  const before = unsqueeze(lowerTriangle(C), -1);
  const factors = exp(where(before, differences, -Infinity));
  return factors.shape.at(-1) === 1 ? squeeze(factors, -1) : factors;
}

/** Σ_d a_id k_jd, decayed from step j to step i; 0 for j > i. */
function pairs(a: Tensor, k: Tensor, between: Tensor | undefined, byRow: boolean): Tensor {
  if (byRow) return sum(mul(mul(unsqueeze(a, -2), between!), unsqueeze(k, -3)), -1);
  const products = matmul(a, transpose(k));
  return between === undefined ? tril(products) : mul(products, between);
}

function isFinite(x: Tensor): boolean {
  return noGrad(() => all(equal(mul(x.detach(), 0), 0)).item() === 1);
}

/** Decay `[B | 1, Hkv, L, D | 1]` and beta `[B | 1, Hkv, L, 1]`. */
function gatesOf(
  name: string,
  { updateRule, decay, beta }: RecurrentAttentionOptions,
  { dtype }: Tensor,
  [B, Hkv, L, D]: readonly number[],
): { decay: Tensor | undefined; beta: Tensor | undefined } {
  const needs = { linear: [], gated: ["decay"], delta: ["beta"], gatedDelta: ["decay", "beta"] }[updateRule] as string[] | undefined;
  if (needs === undefined) throw new HeedError(name, 'updateRule is "linear", "gated", "delta" or "gatedDelta"', { updateRule });
  for (const [option, given] of Object.entries({ decay, beta })) {
    if (needs.includes(option) === (given !== undefined)) continue;
    const rule = `the rule "${updateRule}" ${needs.includes(option) ? "needs" : "does not use"} ${option}`;
    throw new HeedError(name, rule, {}, needs.includes(option) ? "Pass it." : "Leave it out, or choose another updateRule.");
  }
  const gate = (given: Tensor | undefined, option: string, widths: readonly number[]): Tensor | undefined => {
    if (given === undefined) return undefined;
    const four = given instanceof Tensor && given.rank + (option === "beta" ? 1 : 0) <= 4 ? lifted(given, option) : undefined;
    const expected = option === "beta" ? "[B | 1, Hkv | 1, L]" : "[B | 1, Hkv | 1, L, D | 1]";
    const [samples, heads, steps, width] = four?.shape ?? [];
    const fits = (samples === 1 || samples === B) && (heads === 1 || heads === Hkv) && steps === L && widths.includes(width);
    if (four === undefined || !fits) {
      const got = { [option]: given instanceof Tensor ? given.shape : typeof given, B, Hkv, L, D };
      throw new ShapeError(name, `${option} must be ${expected}`, got);
    }
    if (given.dtype !== dtype)
      throw new DTypeError(name, `${option} must have the dtype of query`, { [option]: given.dtype, query: dtype });
    return broadcastTo(four, [samples, Hkv, L, width]);
  };
  return { decay: gate(decay, "decay", [1, D]), beta: gate(beta, "beta", [1]) };
}

function lifted(x: Tensor, option: string): Tensor {
  const shape = option === "beta" ? [...x.shape, 1] : x.shape;
  return reshape(x, [...[1, 1, 1, 1].slice(shape.length), ...shape]);
}

function stateOf(name: string, state: Tensor | undefined, { dtype }: Tensor, [B, Hkv, D, E]: readonly number[]): Tensor {
  if (state === undefined) return zeros([1, Hkv, D, E], { dtype: dtype as "float32" });
  const four = state instanceof Tensor && state.rank <= 4 ? reshape(state, [...[1, 1, 1, 1].slice(state.rank), ...state.shape]) : undefined;
  const fits = four !== undefined && (four.shape[0] === 1 || four.shape[0] === B) && `${four.shape.slice(1)}` === `${[Hkv, D, E]}`;
  if (!fits || state.dtype !== dtype) {
    const got = { state: state instanceof Tensor ? state.shape : typeof state, B, Hkv, D, E };
    throw new ShapeError(name, "state must be [B | 1, Hkv, D, E], in the dtype of query", got);
  }
  return four;
}
