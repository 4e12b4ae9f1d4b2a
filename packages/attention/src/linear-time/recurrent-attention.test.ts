import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { causal } from "@heed/masks";
import { concat, div, mul, neg, norm, ones, slice, softplus, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { linearAttention, recurrentAttention, type RecurrentAttentionOptions } from "../linear-time.ts";

const rules = ["linear", "gated", "delta", "gatedDelta"] as const;
type Rule = (typeof rules)[number];

interface Case {
  readonly rule: Rule;
  readonly B: number;
  readonly Hkv: number;
  readonly group: number;
  readonly L: number;
  readonly D: number;
  readonly E: number;
  readonly byRow: boolean;
  readonly oneBeta: boolean;
  readonly decayBy: number;
  readonly seed: number;
}
const cases = fc.record<Case>({
  rule: fc.constantFrom(...rules),
  B: fc.integer({ min: 1, max: 2 }),
  Hkv: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 3),
  L: fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(15, 16, 17, 31, 32, 33, 70)),
  D: fc.integer({ min: 1, max: 5 }),
  E: fc.integer({ min: 1, max: 5 }),
  byRow: fc.boolean(),
  oneBeta: fc.boolean(),
  decayBy: fc.constantFrom(0.1, 1, 30),
  seed: fc.nat(1000),
});

function operands({ rule, B, Hkv, group, L, D, E, byRow, oneBeta, decayBy, seed }: Case) {
  const key = randomTensor([B, Hkv, L, D], seed + 1);
  const decay = mul(neg(softplus(randomTensor([B, Hkv, L, byRow ? D : 1], seed + 3))), decayBy);
  const beta = randomTensor([B, oneBeta ? 1 : Hkv, L], seed + 4, { low: 0, high: 1 });
  const options = {
    updateRule: rule,
    ...(rule.startsWith("gated") ? { decay } : {}),
    ...(rule.toLowerCase().endsWith("delta") ? { beta } : {}),
    state: randomTensor([B, Hkv, D, E], seed + 5),
  } as RecurrentAttentionOptions;
  const length = norm(key, -1, { keepDims: true });
  return {
    query: randomTensor([B, Hkv * group, L, D], seed),
    key: div(key, length),
    value: randomTensor([B, Hkv, L, E], seed + 2),
    options,
  };
}

/** The definition in plain loops, in double precision: outputs and the last state. */
function definition({ B, Hkv, group, L, D, E, byRow, oneBeta }: Case, { query, key, value, options }: ReturnType<typeof operands>) {
  const [q, k, v, M] = [query, key, value, options.state!].map((x) => Float64Array.from(x.toTypedArray())) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const g = options.decay?.toTypedArray();
  const beta = options.beta?.toTypedArray();
  const H = Hkv * group;
  const y = new Float64Array(B * H * L * E);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < Hkv; h++) {
      const of = b * Hkv + h;
      const state = (d: number, e: number) => (of * D + d) * E + e;
      for (let t = 0; t < L; t++) {
        const step = of * L + t;
        const factor = (d: number) => (g === undefined ? 1 : Math.exp(g[byRow ? step * D + d : step]!));
        for (let d = 0; d < D; d++) for (let e = 0; e < E; e++) M[state(d, e)]! *= factor(d);
        for (let e = 0; e < E; e++) {
          let u = v[step * E + e]!;
          if (beta !== undefined) {
            let answered = 0;
            for (let d = 0; d < D; d++) answered += k[step * D + d]! * M[state(d, e)]!;
            u = (u - answered) * beta[oneBeta ? b * L + t : step]!;
          }
          for (let d = 0; d < D; d++) M[state(d, e)]! += k[step * D + d]! * u;
        }
        for (let r = 0; r < group; r++) {
          const row = (b * H + h * group + r) * L + t;
          for (let e = 0; e < E; e++) {
            for (let d = 0; d < D; d++) y[row * E + e]! += (q[row * D + d]! * M[state(d, e)]!) / Math.sqrt(D);
          }
        }
      }
    }
  }
  return { output: tensor(y, { shape: [B, H, L, E] }), state: tensor(M, { shape: [B, Hkv, D, E] }) };
}

describe.each(eachBackend())("recurrentAttention on $name", ({ use }) => {
  it("is its definition in chunks and step by step, for every rule", () => {
    use(() => {
      fc.assert(
        fc.property(cases, (one) => {
          const given = operands(one);
          const expected = definition(one, given);
          for (const form of ["chunked", "recurrent"] as const) {
            const got = recurrentAttention(given.query, given.key, given.value, { ...given.options, form, returns: ["state"] });
            // States stay below √(steps), as keys are of length 1; 32 rounding steps of 2⁻²⁴ each.
            expectClose(got.output, expected.output, 2e-5);
            expectClose(got.state, expected.state, 2e-5);
          }
        }),
        { numRuns: 60, seed: 3 },
      );
    });
  });
});

it("stays accurate where all keys are alike, which makes powers of T huge", () => {
  const L = 64;
  const key = mul(ones([1, 1, L, 4]), 0.5);
  const [query, value] = [randomTensor([1, 1, L, 4], 1), randomTensor([1, 1, L, 3], 2)];
  const options = { updateRule: "delta", beta: ones([1, 1, L]) } as const;
  const expected = recurrentAttention(query, key, value, { ...options, form: "recurrent" });
  expectClose(recurrentAttention(query, key, value, options), expected, 2e-5);
});

it("goes on where another call ended", () => {
  const one: Case = {
    rule: "gatedDelta",
    B: 1,
    Hkv: 2,
    group: 2,
    L: 50,
    D: 4,
    E: 3,
    byRow: true,
    oneBeta: false,
    decayBy: 0.3,
    seed: 9,
  };
  const { query, key, value, options } = operands(one);
  const part = (from: number, to: number, state: Tensor) =>
    recurrentAttention(slice(query, -2, from, to), slice(key, -2, from, to), slice(value, -2, from, to), {
      updateRule: "gatedDelta",
      decay: slice(options.decay!, -2, from, to),
      beta: slice(options.beta!, -1, from, to),
      state,
      returns: ["state"],
    });
  const whole = part(0, 50, options.state!);
  const first = part(0, 37, options.state!);
  const second = part(37, 50, first.state);
  expectClose(concat([first.output, second.output], -2), whole.output, 1e-5);
  expectClose(second.state, whole.state, 1e-5);
});

it("of the linear rule is linear attention that is not divided", () => {
  const [query, key, value] = [1, 2, 3].map((seed) => randomTensor([1, 2, 40, 3], seed, { low: 0.1, high: 1 })) as [Tensor, Tensor, Tensor];
  const { output, state } = linearAttention(query, key, value, { featureMap: (x) => x, eps: 0, mask: causal(), returns: ["state"] });
  const divisor = linearAttention(query, key, ones([1, 2, 40, 1]), { featureMap: (x) => x, eps: 0, mask: causal() });
  expectClose(divisor, ones([1, 2, 40, 1]), 1e-6);
  const sums = recurrentAttention(query, key, concat([value, ones([1, 2, 40, 1])], -1), {
    updateRule: "linear",
    scale: 1,
    returns: ["state"],
  });
  expectClose(div(slice(sums.output, -1, 0, 3), slice(sums.output, -1, 3)), output, 1e-5);
  expectClose(slice(sums.state, -1, 0, 3), state.s, 1e-4);
});

it("never hears of later steps, NaN neither", () => {
  const x = randomTensor([1, 1, 20, 2], 1);
  const spoiled = concat([slice(x, -2, 0, 10), mul(ones([1, 1, 1, 2]), NaN), slice(x, -2, 11)], -2);
  const options = { updateRule: "delta", beta: ones([1, 1, 20]) } as const;
  const expected = recurrentAttention(x, x, x, options);
  for (const got of [recurrentAttention(x, spoiled, x, options), recurrentAttention(x, x, spoiled, options)]) {
    expectClose(slice(got, -2, 0, 10), slice(expected, -2, 0, 10), 1e-5);
    expectClose(slice(got, -2, 10), mul(ones([1, 1, 10, 2]), NaN));
  }
});

it.each(rules)("has the gradient of its central differences: %s", (updateRule) => {
  const shapes = [
    [1, 2, 3, 2],
    [1, 1, 3, 2],
    [1, 1, 3, 3],
    [1, 1, 2, 3],
  ];
  const gates = updateRule.startsWith("gated") ? [[1, 1, 3, 2]] : [];
  const betas = updateRule.toLowerCase().endsWith("delta") ? [[1, 1, 3]] : [];
  expectGradient(
    (q, k, v, state, ...rest) => {
      const decay = gates.length > 0 ? { decay: neg(softplus(rest[0]!)) } : {};
      const beta = betas.length > 0 ? { beta: rest.at(-1)! } : {};
      return recurrentAttention(q, k, v, { updateRule, state, ...decay, ...beta, returns: ["state"] } as never) as Tensor;
    },
    [...shapes, ...gates, ...betas],
  );
});

it("takes no steps at all", () => {
  const state = randomTensor([1, 1, 2, 3], 1);
  const got = recurrentAttention(zeros([1, 1, 0, 2]), zeros([1, 1, 0, 2]), zeros([1, 1, 0, 3]), {
    updateRule: "linear",
    state,
    returns: ["state"],
  });
  expect(got.output.shape).toEqual([1, 1, 0, 3]);
  expectClose(got.state, state);
});

describe("errors", () => {
  const x = zeros([2, 2, 4, 3]);
  it.each([
    [{ updateRule: "gated" }, /the rule "gated" needs decay/],
    [{ updateRule: "linear", beta: x }, /the rule "linear" does not use beta/],
    [{ updateRule: "gated_delta" }, /updateRule is "linear"/],
    [{ updateRule: "delta", beta: x }, /beta must be \[B \| 1, Hkv \| 1, L\]/],
    [{ updateRule: "gated", decay: zeros([2, 2, 4, 2]) }, /decay must be \[B \| 1, Hkv \| 1, L, D \| 1\]/],
    [{ updateRule: "linear", state: x }, /state must be \[B \| 1, Hkv, D, E\]/],
    [{ updateRule: "linear", mask: 1 }, /no option "mask"/],
  ])("of %j", (options, message) => {
    expect(() => recurrentAttention(x, x, x, options as never)).toThrow(message);
  });

  it("does not compile rules without what they need, or with what they do not use", () => {
    // @ts-expect-error gated needs decay
    const missing: RecurrentAttentionOptions = { updateRule: "gated" };
    // @ts-expect-error linear has no beta
    const unused: RecurrentAttentionOptions = { updateRule: "linear", beta: x };
    // @ts-expect-error ONNX spells it gated_delta
    const misspelt: RecurrentAttentionOptions = { updateRule: "gated_delta", decay: x, beta: x };
    for (const options of [missing, unused, misspelt]) expect(() => recurrentAttention(x, x, x, options)).toThrow(/rule/i);
  });

  it("says that lengths and widths must agree", () => {
    expect(() => recurrentAttention(x, slice(x, -2, 1), slice(x, -2, 1), { updateRule: "linear" })).toThrow(/lengths must agree/);
    expect(() => recurrentAttention(x, slice(x, -1, 1), x, { updateRule: "linear" })).toThrow(/one width D/);
  });
});
