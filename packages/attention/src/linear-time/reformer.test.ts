import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { and, causal, padding, window } from "@heed/masks";
import { concat, grad, matmul, mul, neg, normal, ones, randomKey, slice, square, sum, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { attention } from "../attention.ts";
import { reformer } from "../linear-time.ts";

const key = randomKey(11);

const cases = fc.record({
  B: fc.integer({ min: 1, max: 2 }),
  Hkv: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 3),
  L: fc.integer({ min: 1, max: 9 }),
  S: fc.integer({ min: 1, max: 9 }),
  isCausal: fc.boolean(),
  padded: fc.boolean(),
  seed: fc.nat(1000),
});

describe.each(eachBackend())("reformer on $name", ({ use }) => {
  it("is exact attention when one bucket holds all, whatever the mask and the rounds", () => {
    use(() => {
      fc.assert(
        fc.property(cases, ({ B, Hkv, group, L, S, isCausal, padded, seed }) => {
          const q = randomTensor([B, Hkv * group, L, 3], seed);
          const [k, v] = [randomTensor([B, Hkv, S, 3], seed + 1), randomTensor([B, Hkv, S, 2], seed + 2)];
          const lengths = Array.from({ length: B }, (_, b) => (seed * (b + 2)) % (S + 1));
          const mask = and(...(isCausal ? [causal()] : []), ...(padded ? [padding(lengths)] : []));
          for (const rounds of [1, 3]) {
            expectClose(reformer(q, k, v, { key, numBuckets: 1, rounds, mask }), attention(q, k, v, { mask }), 2e-6);
          }
        }),
        { numRuns: 30, seed: 2 },
      );
    });
  });
});

/** Which query and key share a bucket in a round, boolean `[B, H, L, S]`, by the paper's formula. */
function shared(q: Tensor, k: Tensor, numBuckets: number, round: number): Tensor {
  const directions = normal(key.split(round), [q.shape[3]!, numBuckets / 2]);
  const bucketsOf = (x: Tensor) => {
    const along = matmul(x, directions);
    const each = concat([along, neg(along)], -1).toArray() as number[][][][];
    return each.map((heads) => heads.map((rows) => rows.map((row) => row.indexOf(Math.max(...row)))));
  };
  const [of, at] = [bucketsOf(q), bucketsOf(k)];
  return tensor(of.map((heads, b) => heads.map((rows, h) => rows.map((bucket) => at[b]![h]!.map((other) => other === bucket)))));
}

it("is attention among the keys of the query's bucket; rounds are merged by their lse", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => randomTensor([2, 2, 40, 4], seed)) as [Tensor, Tensor, Tensor];
  const scores = [0, 1, 2].map((round) => {
    const mask = shared(q, k, 6, round);
    const one = attention(q, k, v, { mask, returns: ["lse"] });
    if (round === 0) expectClose(reformer(q, k, v, { key, numBuckets: 6, rounds: 1 }), one.output, 1e-6);
    return one;
  });
  const total = (pick: (one: (typeof scores)[number], row: number) => number, row: number) => {
    const most = Math.max(...scores.map(({ lse }) => lse.toTypedArray()[row]!));
    if (most === -Infinity) return 0;
    const weights = scores.map(({ lse }) => Math.exp(lse.toTypedArray()[row]! - most));
    const sumOf = weights.reduce((a, b) => a + b);
    return scores.reduce((all, one, r) => all + (weights[r]! / sumOf) * pick(one, row), 0);
  };
  const expected = Float64Array.from({ length: 2 * 2 * 40 * 4 }, (_, at) =>
    total(({ output }) => output.toTypedArray()[at]!, Math.floor(at / 4)),
  );
  expectClose(reformer(q, k, v, { key, numBuckets: 6, rounds: 3 }), tensor(expected, { shape: [2, 2, 40, 4] }), 2e-6);
});

it("finds the keys that answer best: with queries shared as keys, more rounds come closer to exact attention", () => {
  const unit = normal(key.split("x"), [1, 1, 256, 16]);
  const q = mul(unit, 4);
  const v = randomTensor([1, 1, 256, 4], 3);
  const exact = attention(q, q, v);
  const error = (rounds: number) => {
    const off = sum(square(reformer(q, q, v, { key, numBuckets: 8, rounds }).sub(exact))).item() as number;
    return off / (sum(square(exact)).item() as number);
  };
  const errors = [1, 4, 16].map(error);
  expect(errors[1]).toBeLessThan(errors[0]!);
  expect(errors[2]).toBeLessThan(errors[1]!);
});

it("hears nothing of keys that it does not see, NaN neither, and gives zeros where there is none", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => randomTensor([1, 1, 30, 4], seed)) as [Tensor, Tensor, Tensor];
  const spoil = (x: Tensor) => concat([slice(x, -2, 0, 20), mul(ones([1, 1, 10, 4]), NaN)], -2);
  const options = { key, numBuckets: 4, mask: causal() };
  const clean = reformer(q, k, v, options);
  expectClose(slice(reformer(q, spoil(k), spoil(v), options), -2, 0, 20), slice(clean, -2, 0, 20), 1e-6);
  const padded = { key, numBuckets: 4, mask: padding([20]) };
  const slopes = (x: Tensor, y: Tensor) => grad((each: Tensor) => sum(reformer(q, each, y, padded)))(x);
  expectClose(slopes(spoil(k), spoil(v)), slopes(k, v), 1e-6);
  expectClose(reformer(q, k, v, { ...options, mask: padding([0]) }), zeros([1, 1, 30, 4]));
});

it("takes no queries, and no keys", () => {
  const x = randomTensor([1, 2, 4, 3], 1);
  const none = slice(x, -2, 4);
  expect(reformer(none, x, x, { key, numBuckets: 2 }).shape).toEqual([1, 2, 0, 3]);
  expectClose(reformer(x, none, none, { key, numBuckets: 2 }), zeros([1, 2, 4, 3]));
});

it("has the gradient of its central differences", () => {
  const shapes = [
    [1, 2, 8, 3],
    [1, 1, 8, 3],
    [1, 1, 8, 2],
  ];
  expectGradient((q, k, v) => reformer(q, k, v, { key, numBuckets: 2, rounds: 2, mask: causal() }), shapes);
});

it("says what does not fit", () => {
  const x = zeros([1, 1, 4, 3]);
  expect(() => reformer(x, x, x, { key, numBuckets: 3 })).toThrow(/numBuckets must be 1 or an even number/);
  expect(() => reformer(x, x, x, { key, rounds: 0 })).toThrow(/rounds must be/);
  expect(() => reformer(x, x, x, { key, mask: window(1, 1) })).toThrow(/up to their own position or to a length/);
});
