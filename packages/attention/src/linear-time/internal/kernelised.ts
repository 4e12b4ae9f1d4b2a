import {
  add,
  all,
  concat,
  div,
  equal,
  logicalAnd,
  mul,
  noGrad,
  ones,
  ShapeError,
  slice,
  squeeze,
  sum,
  tensor,
  unsqueeze,
  where,
  type Tensor,
} from "@heed/tensor";
import { keysSeen, keysThere, queriesThatSee } from "./reach.ts";
import type { Operands } from "./operands.ts";
import { runningSums, type Form } from "./running-sums.ts";

/** What all keys so far leave behind. (A type, not an interface: so it is a tree of tensors, as `grad` wants results.) */
export type LinearState = {
  /** Σ φ(k) vᵀ, `[B, Hkv, M, E]` */
  readonly s: Tensor;
  /** Σ φ(k), `[B, Hkv, M]` */
  readonly z: Tensor;
};

interface KernelisedOptions {
  readonly form: Form;
  readonly eps: number;
  readonly state: LinearState | undefined;
}

/** φ of queries and keys; `there`, boolean `[B | 1, 1, S, 1]`, says which keys count, where not all do. */
type FeaturesOf = (query: Tensor, key: Tensor, there: Tensor | undefined) => { readonly query: Tensor; readonly key: Tensor };

/**
 * φ(q_i) S_i / (φ(q_i) · z_i + eps), S_i = Σ φ(k_j) v_jᵀ and z_i = Σ φ(k_j) over the keys that query i sees; 0 where it sees none. What
 * keys hold that a query does not see, NaN too, changes nothing for it.
 */
export function kernelised(call: Operands, featuresOf: FeaturesOf, options: KernelisedOptions): { output: Tensor; state: LinearState } {
  const there = keysThere(call.reach, call.context.S);
  const seeing = queriesThatSee(call.reach, call.context);
  const shown: Operands = {
    ...call,
    query: seeing === undefined ? call.query : where(seeing, call.query, 0),
    key: there === undefined ? call.key : where(there, call.key, 0),
    value: there === undefined ? call.value : where(there, call.value, 0),
  };
  const result = divided(shown, featuresOf, there, options);
  // Only in a causal chunk do queries meet keys that they do not see, as products with 0, which NaN and infinities survive.
  if (!call.reach.causal || isFinite(result.output)) return result;
  return withoutPoison(shown, featuresOf, there, options);
}

function divided(call: Operands, featuresOf: FeaturesOf, there: Tensor | undefined, { form, eps, state }: KernelisedOptions) {
  const features = featuresOf(call.query, call.key, there);
  checkFeatures(call, features);
  const E = call.value.shape[3];
  const dtype = call.value.dtype as "float32";
  const sums = runningSums(
    {
      query: features.query,
      key: there === undefined ? features.key : where(there, features.key, 0),
      // The divisor is the sum of values that are all 1.
      value: concat([call.value, ones([...call.value.shape.slice(0, -1), 1], { dtype })], -1),
    },
    call,
    form,
    state === undefined ? undefined : concat([state.s, unsqueeze(state.z, -1)], -1),
  );
  const below = slice(sums.sums, -1, E);
  const divisor = eps === 0 ? below : add(below, eps);
  const output = div(slice(sums.sums, -1, 0, E), where(equal(divisor, 0), 1, divisor));
  return { output, state: { s: slice(sums.state, -1, 0, E), z: squeeze(slice(sums.state, -1, E), -1) } };
}

/** Rows that hold NaN or ±∞ become 0; then the queries that see one, and the state, become NaN. */
function withoutPoison(call: Operands, featuresOf: FeaturesOf, there: Tensor | undefined, options: KernelisedOptions) {
  const { reach, group, context } = call;
  const { B, H, L, S } = context;
  const { finite, bad, badHeads } = noGrad(() => {
    const finite = [call.query, call.key, call.value].map((x) => equal(sum(mul(x.detach(), 0), -1, { keepDims: true }), 0));
    const [query, key, value] = finite.map((flags) => ({ flags: flags.toTypedArray(), samples: flags.shape[0] }));
    const Hkv = H / group;
    const bits = new Uint8Array(B * H * L);
    const heads = new Uint8Array(B * Hkv);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < Hkv; h++) {
        const rowOf = (samples: number) => ((samples === 1 ? 0 : b) * Hkv + h) * S;
        let first = 0;
        while (first < S && key.flags[rowOf(key.samples) + first] === 1 && value.flags[rowOf(value.samples) + first] === 1) first++;
        heads[b * Hkv + h] = Number(L > 0 && keysSeen(reach, S, b, L - 1) > first);
        for (let at = h * group; at < (h + 1) * group; at++) {
          for (let i = 0; i < L; i++) {
            const own = query.flags[((query.samples === 1 ? 0 : b) * H + at) * L + i] === 0;
            bits[(b * H + at) * L + i] = Number(own || keysSeen(reach, S, b, i) > first);
          }
        }
      }
    }
    return {
      finite,
      bad: tensor(bits, { shape: [B, H, L, 1], dtype: "bool" }),
      badHeads: tensor(heads, { shape: [B, Hkv, 1], dtype: "bool" }),
    };
  });
  const [query, key, value] = [call.query, call.key, call.value].map((x, i) => where(finite[i], x, 0));
  const whole = there === undefined ? finite[1] : logicalAnd(finite[1], there);
  const { output, state } = divided({ ...call, query, key, value }, featuresOf, whole, options);
  return {
    output: where(bad, NaN, output),
    state: { s: where(unsqueeze(badHeads, -1), NaN, state.s), z: where(badHeads, NaN, state.z) },
  };
}

function isFinite(x: Tensor): boolean {
  return noGrad(() => all(equal(mul(x.detach(), 0), 0)).item() === 1);
}

function checkFeatures({ where: name, query, key }: Operands, features: { readonly query: Tensor; readonly key: Tensor }): void {
  const M = features.query.shape.at(-1);
  for (const [side, x, of] of [
    ["query", features.query, query],
    ["key", features.key, key],
  ] as const) {
    const kept = x.rank === 4 && x.shape.slice(0, -1).every((n, axis) => n === of.shape[axis]) && x.shape[3] === M;
    if (!kept || x.dtype !== of.dtype) {
      const got = { [side]: of.shape, "its features": x.shape, dtype: x.dtype };
      throw new ShapeError(name, "featureMap must turn [..., D] into [..., M] of the same dtype", got);
    }
  }
}
