import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  div,
  grad,
  indexSelect,
  logicalNot,
  mul,
  norm,
  randomKey,
  slice,
  softmax as softmaxOf,
  sum,
  tensor,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { causal, fromTensor } from "@heed/masks";
import { additive, bilinear, gaussian, initAdditive, scaledDot } from "@heed/scoring";
import { attention, mergeByLse, MultiHeadAttention } from "./index.ts";
import { hard } from "./normalisers.ts";

/** What the literature proves, as properties of what we compute. */

const runs = { numRuns: 25, seed: 7 };
const D = 3;
const cases = fc.record({
  B: fc.integer({ min: 1, max: 2 }),
  H: fc.integer({ min: 1, max: 3 }),
  L: fc.integer({ min: 1, max: 5 }),
  S: fc.integer({ min: 2, max: 9 }),
  E: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(1000),
});
const operands = ({ B, H, L, S, E, seed }: { B: number; H: number; L: number; S: number; E: number; seed: number }) => ({
  q: randomTensor([B, H, L, D], seed, { low: -2, high: 2 }),
  k: randomTensor([B, H, S, D], seed + 1, { low: -2, high: 2 }),
  v: randomTensor([B, H, S, E], seed + 2),
});
const unit = (x: Tensor) => div(x, norm(x, -1, { keepDims: true }));
const order = (n: number, seed: number) => tensor(Int32Array.from({ length: n }, (_, i) => (i + seed) % n).reverse());

describe.each(eachBackend())("on $name", ({ use }) => {
  const law = (property: (each: { B: number; H: number; L: number; S: number; E: number; seed: number }) => void) =>
    use(() => fc.assert(fc.property(cases, property), runs));

  it("attentions to parts of the keys, merged by lse, are attention to all: any mask, score and split; empty parts count nothing", () =>
    law((each) => {
      const { q, k, v } = operands(each);
      const { L, S, seed } = each;
      const score = [
        scaledDot({ scale: 3 }),
        gaussian({ sigma: 0.7 }),
        bilinear({ weight: randomTensor([D, D], 5) }),
        additive(initAdditive(randomKey(4), { queryDim: D, keyDim: D, hiddenDim: 5 })),
      ][seed % 4];
      const bits = Uint8Array.from(randomTensor([L * S], seed + 3, { low: 0 }).toTypedArray(), (x) => Number(x > 0.4));
      const mask = tensor(bits, { shape: [L, S], dtype: "bool" });
      const cuts = [0, seed % S, Math.max(seed % S, (seed * 7) % (S + 1)), S];
      const parts = [0, 1, 2].map((p) => {
        const part = (x: Tensor, axis: number) => slice(x, axis, cuts[p], cuts[p + 1]);
        return attention(q, part(k, -2), part(v, -2), { score, mask: part(mask, -1), returns: ["lse"] });
      });
      const whole = attention(q, k, v, { score, mask, returns: ["lse"] });
      // Sums of up to nine weights that sum to one, in another order; lse of up to 30.
      const merged = mergeByLse(parts);
      expectClose(merged.output, whole.output, 64 * 2 ** -24);
      expectClose(merged.lse, whole.lse, 32 * 2 ** -21);
      const nested = mergeByLse([mergeByLse(parts.slice(0, 2)), parts[2]]);
      expectClose(nested.output, whole.output, 64 * 2 ** -24);
    }));

  it("on keys of length one, a Gaussian of the distance is the dot product over σ²: Nadaraya–Watson is scaled dot-product attention", () =>
    law((each) => {
      const { q, k, v } = operands(each);
      const sigma = 0.5 + (each.seed % 5) / 4;
      // −|q − k|² / 2σ² = q·k / σ² − (|q|² + |k|²) / 2σ²; softmax takes out what all keys share. Scores up to 4 · 2√3 · √3, by differences.
      expectClose(
        attention(q, unit(k), v, { score: gaussian({ sigma }) }),
        attention(q, unit(k), v, { score: scaledDot({ scale: 1 / sigma ** 2 }) }),
        64 * 2 ** -21,
      );
    }));

  it("multi-head attention moves with its queries, and does not see in which order keys come", () =>
    law(({ B, L, S, seed }) => {
      const module = new MultiHeadAttention(8, 2, { key: randomKey(seed), numKeyValueHeads: 1, temperature: true, addBiasKv: true });
      const [x, y] = [randomTensor([B, L, 8], seed), randomTensor([B, S, 8], seed + 1)];
      const whole = module.forward(x, y);
      expectClose(module.forward(indexSelect(x, order(L, seed), 1), y), indexSelect(whole, order(L, seed), 1), 64 * 2 ** -23);
      expectClose(module.forward(x, indexSelect(y, order(S, seed), 1)), whole, 64 * 2 ** -23);
      // Self-attention does both: it is equivariant.
      const own = module.forward(x);
      expectClose(module.forward(indexSelect(x, order(L, seed), 1)), indexSelect(own, order(L, seed), 1), 64 * 2 ** -23);
    }));
});

describe("mergeByLse", () => {
  it("has the gradients of the whole, and of lse too", () => {
    const { q, k, v } = operands({ B: 1, H: 2, L: 3, S: 5, E: 2, seed: 3 });
    const half = (at: readonly Tensor[], from: number, to: number) =>
      attention(at[0], slice(at[1], 2, from, to), slice(at[2], 2, from, to), { mask: causal(), queryOffset: 2 - from, returns: ["lse"] });
    const split = (...at: Tensor[]) => {
      const { output, lse } = mergeByLse([half(at, 0, 2), half(at, 2, 5)]);
      return add(sum(output), sum(mul(lse, lse)));
    };
    const together = (...at: Tensor[]) => {
      const { output, lse } = attention(at[0], at[1], at[2], { mask: causal(), returns: ["lse"] });
      return add(sum(output), sum(mul(lse, lse)));
    };
    expectGradient(split, [q, k, v]);
    const gradients = [split, together].map((f) =>
      [0, 1, 2].map((i) => grad((x: Tensor) => f(...[q, k, v].map((at, n) => (n === i ? x : at))))([q, k, v][i])),
    );
    gradients[0].forEach((gradient, i) => expectClose(gradient, gradients[1][i], 1e-5));
  });

  it("is itself of one part, empty of empty ones, and says what is wrong", () => {
    const part = attention(zeros([2, 3]), zeros([4, 3]), zeros([4, 1]), { returns: ["lse"] });
    expectClose(mergeByLse([part]).lse, part.lse);
    const closed = tensor(new Uint8Array(8), { shape: [2, 4], dtype: "bool" });
    const empty = attention(zeros([2, 3]), zeros([4, 3]), zeros([4, 1]), { mask: closed, returns: ["lse"] });
    expect(mergeByLse([empty, empty]).lse.toArray()).toEqual([-Infinity, -Infinity]);
    expect(mergeByLse([empty, empty]).output.toArray()).toEqual([[0], [0]]);
    expect(() => mergeByLse([])).toThrow("mergeByLse: there must be a part");
    expect(() => mergeByLse([part, { output: part.output, lse: zeros([3]) }])).toThrow(
      "mergeByLse: parts must be alike, output [..., L, E] and lse [..., L]; got output [2, 1], lse [3], first output [2, 1]. Parts differ in their keys alone.",
    );
  });
});

describe("hard attention", () => {
  const [L, S] = [400, 4];
  const scores = tensor([[0.3, -0.5, 1.1, -2]]);
  const values = randomTensor([S, 2], 3);
  const call = (bias: Tensor, options = {}) =>
    attention(zeros([L, 1]), zeros([S, 1]), values, { bias, normaliser: hard(options), returns: ["weights"] });
  const open = logicalNot(tensor([[false, false, false, true]]));

  it("takes the highest score that is open, and of equal ones the lowest key", () => {
    const { weights } = attention(zeros([1, 1]), zeros([4, 1]), values, {
      bias: tensor([[1, 5, 5, 9]]),
      normaliser: hard(),
      mask: fromTensor(open),
      returns: ["weights"],
    });
    expect(weights.toArray()).toEqual([[0, 1, 0, 0]]);
  });

  it("with Gumbel noise, is a sample of the softmax: by its key, one-hot, as often as the probabilities say", () => {
    const bias = add(zeros([L, S]), scores);
    const counts = new Float64Array(S);
    for (let seed = 0; seed < 10; seed++) {
      const draw = () => call(bias, { straightThrough: { key: randomKey(seed) } }).weights.toArray() as number[][];
      const rows = draw();
      expect(draw()).toEqual(rows);
      for (const row of rows) {
        expect([...row].sort()).toEqual([0, 0, 0, 1]);
        counts[row.indexOf(1)]++;
      }
    }
    const n = 10 * L;
    const chances = softmaxOf(scores, -1).toTypedArray();
    // Five deviations of a binomial count.
    counts.forEach((count, j) => expect(Math.abs(count - n * chances[j])).toBeLessThan(5 * Math.sqrt(n * chances[j] * (1 - chances[j]))));
  });

  it("lends the gradient of softmax((scores + noise) / temperature), and none without straightThrough", () => {
    const bias = randomTensor([L, S], 9);
    const temperature = 0.7;
    const cotangent = randomTensor([L, 2], 4);
    const gradientOf = (options: object) => grad((at: Tensor) => sum(mul(call(at, options).output, cotangent)))(bias);
    expectClose(gradientOf({}), zeros([L, S]));
    const soft = (noise: Tensor) =>
      grad((at: Tensor) =>
        sum(mul(attention(zeros([L, 1]), zeros([S, 1]), values, { bias: div(add(at, noise), temperature) }), cotangent)),
      )(bias);
    expectClose(gradientOf({ straightThrough: { temperature } }), soft(zeros([L, S])), 1e-6);
    const key = randomKey(5);
    const noisy = gradientOf({ straightThrough: { temperature, key } });
    expectClose(sum(noisy, -1), zeros([L]), 1e-5); // That of a softmax sums to 0 in each row.
    expect(noisy.toArray()).not.toEqual(gradientOf({ straightThrough: { temperature } }).toArray());
  });
});
