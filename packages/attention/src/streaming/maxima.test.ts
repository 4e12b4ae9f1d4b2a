import { describe, expect, it } from "vitest";
import { grad, mul, randomKey, sum, tensor, type Tensor } from "@heed/tensor";
import { inFloat64 } from "@heed/tensor/reference";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { fromTensor } from "@heed/masks";
import { scaledDot } from "@heed/scoring";
import { attention, explain, type AttentionOptions } from "../index.ts";
import { prepare } from "../internal/prepare.ts";
import { lower } from "../internal/lower.ts";
import { lowerScore } from "../internal/lower-score.ts";
import { streamed } from "../internal/streamed.ts";

// Softmax keeps the maximum that the first keys of a row gave until its powers grow large, and makes the strip again then. So rows whose scores surprise it:
// query i sees profile i mod 10 over three tiles of keys, and rows of all kinds share strips. Integers, so that the scores are exact.

const S = 1100;
const profiles: Record<string, (j: number) => number> = {
  level: () => 0,
  rises: (j) => Math.floor(j / 20),
  falls: (j) => -Math.floor(j / 10),
  "jumps in the first tile": (j) => (j < 140 ? 0 : 30),
  "jumps in the second": (j) => (j < 700 ? 0 : 40),
  "jumps in a strip that was rescaled": (j) => (j < 300 ? 0 : j < 600 ? 20 : 60),
  "ends with a spike": (j) => (j === S - 1 ? 90 : 0),
  "begins deep": (j) => (j < 600 ? -60 : 0),
  "begins sharp": (j) => (j === 3 ? 50 : j === 800 ? 52 : 0),
  "jumps less than the threshold": (j) => (j < 1000 ? 0 : 5),
};
const kinds = Object.values(profiles);
const [L, D, E] = [4 * kinds.length, kinds.length, 5];
const key = tensor(
  Float32Array.from({ length: S * D }, (_, at) => kinds[at % D](Math.floor(at / D))),
  { shape: [1, 1, S, D] },
);
const queryOf = (profile: (i: number) => number) =>
  tensor(
    Float32Array.from({ length: L * D }, (_, at) => Number(profile(Math.floor(at / D)) === at % D)),
    { shape: [1, 1, L, D] },
  );
const query = queryOf((i) => i % D);
const value = randomTensor([1, 1, S, E], 3);
const score = scaledDot({ scale: 1 });

const mask = (open: (i: number, j: number) => boolean) =>
  fromTensor(
    tensor(
      Uint8Array.from({ length: L * S }, (_, at) => Number(open(Math.floor(at / S), at % S))),
      { shape: [L, S], dtype: "bool" },
    ),
  );
const calls: Record<string, AttentionOptions> = {
  "all keys": {},
  "a first look that sees nothing": { mask: mask((i, j) => (j >= 128 && (i + j) % 3 !== 0) || (i % 7 === 0 && j === 5)) },
  "rows that see nothing at first, or at all": { mask: mask((i, j) => i % 5 !== 0 && j >= 150 * (i % 7)) },
  dropout: { dropoutP: 0.3, dropoutKey: randomKey(4) },
  "a sink": { sink: tensor([30]) },
};

describe.each(eachBackend())("softmax of scores that surprise it, on $name", ({ use, name }) => {
  it.each(Object.entries(calls))("%s: output, lse and gradients are those of float64", (_, options) => {
    const cotangent = randomTensor([1, 1, L, E], 6);
    const run = (operands: readonly Tensor[], { sink }: { sink?: Tensor }, weights: Tensor) => {
      const [q, k, v] = operands;
      const all: AttentionOptions = { ...options, ...(sink && { sink }), score } as AttentionOptions;
      const { output, lse } = attention(q, k, v, { ...all, returns: ["lse"] });
      const gradients = grad(([a, b, c]: readonly Tensor[]) => sum(mul(attention(a, b, c, all), weights)))(operands);
      return [output, lse, ...gradients];
    };
    const given = [[query, key, value], { ...(options.sink && { sink: options.sink as Tensor }) }, cotangent] as const;
    const exact = inFloat64(run, ...given);
    // Gradients are sums of numbers up to 110 that cancel.
    use(() => run(...given)).forEach((actual, at) => expectClose(actual, exact[at], { rtol: 1e-5, atol: at < 2 ? 1e-6 : 1e-4 }));
  });

  it("what other rows of a strip see changes no bit of a row", () => {
    const of = (q: Tensor) => use(() => attention(q, key, value, { score }).toTypedArray());
    const [mixed, level] = [of(query), of(queryOf(() => 0))];
    for (let i = 0; i < L; i++) {
      const alone = of(queryOf(() => i % D));
      expect(mixed.slice(i * E, (i + 1) * E)).toEqual(alone.slice(i * E, (i + 1) * E));
      if (i % D === 0) expect(mixed.slice(i * E, (i + 1) * E)).toEqual(level.slice(i * E, (i + 1) * E));
    }
  });

  it("a NaN among the keys makes all that see it NaN, and one key alone gives its value to the last bit", () => {
    const poisoned = key.toTypedArray().slice() as Float32Array;
    poisoned[900 * D + 2] = NaN;
    const open = mask((i, j) => (i % 2 === 0 ? j !== 900 : true));
    const seen = use(() => attention(query, tensor(poisoned, { shape: key.shape }), value, { score, mask: open }).toTypedArray());
    for (let i = 0; i < L; i++) expect(seen.slice(i * E, (i + 1) * E).every(Number.isNaN)).toBe(i % 2 === 1);
    const one = use(() =>
      attention(query, key, value, { score: scaledDot({ scale: 0.37 }), mask: mask((i, j) => j === 20 * i + 7) }).toTypedArray(),
    );
    const values = value.toTypedArray();
    for (let i = 0; i < L; i++) expect(one.slice(i * E, (i + 1) * E)).toEqual(values.slice((20 * i + 7) * E, (20 * i + 8) * E));
  });

  it.skipIf(name === "reference")("counts a strip once, also one that was made again", () => {
    use(() => {
      const options = { score };
      const plan = explain(query, key, value, options);
      const forward = new Float64Array(2 * plan.chunks.forward);
      streamed(lower(prepare("attention", query, key, value, options), lowerScore), false, {
        forward,
        backward: new Float64Array(2 * plan.chunks.backward),
      });
      const cells = forward.filter((_, at) => at % 2 === 0).reduce((x, y) => x + y, 0);
      expect(2 * cells * (D + E)).toBe(plan.flops.forward);
    });
  });
});
