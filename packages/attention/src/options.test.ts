import { describe, expect, it } from "vitest";
import {
  add,
  argmax,
  broadcastTo,
  cast,
  concat,
  exp,
  grad,
  logSumExp,
  matmul,
  mul,
  randomKey,
  reshape,
  softmax as softmaxOf,
  square,
  stack,
  sub,
  sum,
  tensor,
  transpose,
  unsqueeze,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { and, causal, fromTensor, padding, window } from "@heed/masks";
import { scaledDot } from "@heed/scoring";
import { attention, type AttentionOptions } from "./index.ts";
import { dense } from "./internal/dense.ts";
import { prepare } from "./internal/prepare.ts";
import { entmax15, hard, identity, sparsemax, topK } from "./normalisers.ts";

const [B, H, L, S, D, E] = [2, 3, 5, 7, 4, 6];
const query = randomTensor([B, H, L, D], 1);
const key = randomTensor([B, H, S, D], 2);
const value = randomTensor([B, H, S, E], 3);
const shapes = [
  [2, 3, 3],
  [2, 4, 3],
  [2, 4, 2],
] as const;

describe.each(eachBackend())("on $name", ({ use }) => {
  it("a sink is a key with that score, whose value is 0", () =>
    use(() => {
      const sink = tensor([0.3, -Infinity, 2]);
      // A score that reads the added key's logit from the bias.
      const [k, v] = [concat([key, zeros([B, H, 1, D])], 2), concat([value, zeros([B, H, 1, E])], 2)];
      const bias = concat([zeros([H, 1, S]), reshape(sink, [H, 1, 1])], 2);
      const mask = fromTensor(randomTensor([B, H, L, S], 9, { dtype: "bool" }));
      const open = concat([mask.toTensor(L, S, { B, H }), cast(add(zeros([B, H, L, 1]), 1), "bool")], 3);
      const { output, weights, lse } = attention(query, key, value, { sink, mask, returns: ["weights", "lse"] });
      const with0 = attention(query, k, v, { bias, mask: open, returns: ["weights"] });
      expectClose(output, with0.output, 1e-6);
      expectClose(weights, with0.weights.slice(3, 0, S), 1e-6);
      // lse is that of the keys alone.
      expectClose(lse, attention(query, key, value, { mask, returns: ["lse"] }).lse, 1e-6);
    }));

  it("relative values are added by clipped distance from where a query stands", () =>
    use(() => {
      const table = randomTensor([H, 5, E], 4);
      for (const queryOffset of [0, S - L, Int32Array.of(3, -2)]) {
        const mask = and(window(4, 2), padding([S, 5]));
        const { output, weights } = attention(query, key, value, { valueTable: table, mask, queryOffset, returns: ["weights"] });
        const plain = attention(query, key, value, { mask, queryOffset });
        const [w, t, extra] = [weights.toTypedArray(), table.toTypedArray(), new Float64Array(B * H * L * E)];
        for (let row = 0; row < B * H * L; row++) {
          const [b, h, i] = [Math.floor(row / (H * L)), Math.floor(row / L) % H, row % L];
          const offset = typeof queryOffset === "number" ? queryOffset : queryOffset[b];
          for (let j = 0; j < S; j++) {
            const at = Math.max(-2, Math.min(2, j - i - offset)) + 2;
            for (let e = 0; e < E; e++) extra[row * E + e] += w[row * S + j] * t[(h * 5 + at) * E + e];
          }
        }
        expectClose(sub(output, plain), tensor(Float32Array.from(extra), { shape: output.shape }), 1e-6);
      }
      expectClose(
        attention(query, key, value, { valueTable: table.slice(0, 0, 1) }),
        attention(query, key, value, { valueTable: reshape(table.slice(0, 0, 1), [5, E]) }),
      );
    }));

  it("packed sequences give what each gives alone, also empty ones, with masks and offsets within each", () =>
    use(() => {
      const [lengths, keys] = [
        [3, 0, 4, 1],
        [2, 3, 5, 0],
      ];
      const starts = (list: number[]) => Int32Array.from([0, ...list.map((_, b) => list.slice(0, b + 1).reduce((x, y) => x + y))]);
      const [cuSeqlensQuery, cuSeqlensKey] = [starts(lengths), starts(keys)];
      const [q, k, v] = [randomTensor([8, 4, D], 1), randomTensor([10, 2, D], 2), randomTensor([10, 2, E], 3)];
      const cases: [AttentionOptions, (b: number) => AttentionOptions][] = [
        [{}, () => ({})],
        [{ mask: causal() }, () => ({ mask: causal() })],
        [{ mask: and(causal(), window(1, 0)), queryOffset: 1 }, () => ({ mask: and(causal(), window(1, 0)), queryOffset: 1 })],
        [{ mask: padding([1, 2, 3, 4]) }, (b) => ({ mask: padding([b + 1]) })],
      ];
      for (const [options, alone] of cases) {
        const { output, lse } = attention(q, k, v, { ...options, cuSeqlensQuery, cuSeqlensKey: tensor(cuSeqlensKey), returns: ["lse"] });
        expect([output.shape, lse.shape]).toEqual([
          [8, 4, E],
          [4, 8],
        ]);
        for (let b = 0; b < 4; b++) {
          const part = (x: Tensor, cu: Int32Array) => transpose(x.slice(0, cu[b], cu[b + 1]), 0, 1);
          const each = attention(part(q, cuSeqlensQuery), part(k, cuSeqlensKey), part(v, cuSeqlensKey), { ...alone(b), returns: ["lse"] });
          expectClose(part(output, cuSeqlensQuery), each.output, 1e-6);
          expectClose(lse.slice(1, cuSeqlensQuery[b], cuSeqlensQuery[b + 1]), each.lse, 1e-6);
        }
      }
    }));

  it("topK is softmax over the k highest, ties going to the lowest key", () =>
    use(() => {
      const weightsOf = (normaliser: ReturnType<typeof topK>, list: number[], mask?: boolean[]) =>
        attention(zeros([1, 1]), zeros([list.length, 1]), zeros([list.length, 1]), {
          normaliser,
          bias: tensor([list]),
          ...(mask === undefined ? {} : { mask: tensor([mask]) }),
          returns: ["weights"],
        }).weights;
      const e = Math.E;
      expectClose(weightsOf(topK(2), [1, 3, 2, 3]), [[0, 0.5, 0, 0.5]], 1e-6);
      expectClose(weightsOf(topK(2), [2, 2, 2, 1]), [[0.5, 0.5, 0, 0]], 1e-6);
      expectClose(weightsOf(topK(2), [1, 3, 2], [true, false, true]), [[1 / (1 + e), 0, e / (1 + e)]], 1e-6);
      expectClose(weightsOf(topK(2), [1, 3, 2], [true, false, false]), [[1, 0, 0]], 1e-6);
      expectClose(weightsOf(topK(9), [1, 3, 2]), softmaxOf(tensor([[1, 3, 2]]), -1), 1e-6);
      expectClose(weightsOf(topK(1), [1, 3, 3]), weightsOf(hard(), [1, 3, 3]), 1e-6);
    }));

  it("sparsemax and entmax15 sum to 1, give low scores 0, and satisfy their definitions", () =>
    use(() => {
      const mask = fromTensor(randomTensor([L, S], 3, { dtype: "bool" }));
      for (const scale of [0.5, 3, 1e20]) {
        for (const normaliser of [sparsemax(), entmax15()]) {
          const all = attention(mul(query, scale), key, value, { normaliser, mask, returns: ["weights", "scores:masked"] });
          const [w, s] = [all.weights.toTypedArray(), all["scores:masked"].toTypedArray()];
          for (let row = 0; row < B * H * L; row++) {
            const weights = Array.from(w.subarray(row * S, (row + 1) * S));
            const scores = Array.from(s.subarray(row * S, (row + 1) * S));
            const open = scores.some(Number.isFinite);
            expect(weights.reduce((x, y) => x + y)).toBeCloseTo(open ? 1 : 0, 5);
            if (scale > 1e6) continue; // Differences of scores are all or nothing then.
            // Every weight comes of one threshold per row: s − τ, or (s / 2 − τ)².
            const root = (x: number) => (normaliser.kind === "sparsemax" ? x : 2 * Math.sqrt(x));
            const thresholds = weights.flatMap((x, j) => (x > 1e-4 ? [scores[j] - root(x)] : []));
            for (const t of thresholds) expect(t).toBeCloseTo(thresholds[0], 4);
            weights.forEach((x, j) => x === 0 && Number.isFinite(scores[j]) && expect(scores[j]).toBeLessThan(thresholds[0] + 1e-4));
          }
        }
      }
      expectClose(attention(tensor([[1]]), tensor([[0], [2]]), tensor([[1], [3]]), { normaliser: sparsemax() }), [[3]], 1e-6);
      // Two keys that differ by d: (x + d / 4)² + (x − d / 4)² = 1 with x = √(½ − d² / 16).
      const [x, d] = [Math.sqrt(0.5 - 1 / 16), 1];
      const two = attention(tensor([[1]]), tensor([[0], [d]]), tensor([[1, 0], [0, 1]]), { normaliser: entmax15() }); // prettier-ignore
      expectClose(two, [[(x - d / 4) ** 2, (x + d / 4) ** 2]], 1e-6);
    }));

  it("hard lends its gradient from a softmax where asked to, and samples with noise", () =>
    use(() => {
      const run = (k: Tensor, straightThrough: { temperature?: number; key?: ReturnType<typeof randomKey> }) =>
        attention(query, k, value, { normaliser: hard({ straightThrough }) });
      expectClose(run(key, { temperature: 0.5 }), attention(query, key, value, { normaliser: hard() }));
      const cotangent = randomTensor([B, H, L, E], 8);
      const through = grad((k: Tensor) => sum(mul(run(k, { temperature: 0.5 }), cotangent)))(key);
      const scores = (k: Tensor) => mul(matmul(query, transpose(k)), 0.5);
      const soft = grad((k: Tensor) => sum(mul(matmul(softmaxOf(mul(scores(k), 2), -1), value), cotangent)))(key);
      expectClose(through, soft, 1e-5);
      // With noise each key is chosen as often as its weight says: of n draws, within 5 standard deviations.
      const n = 400;
      const ones = broadcastTo(unsqueeze(tensor([0, 1, 2, 3, 4, 5, 6]), -1), [B, H, S, 1]);
      const picks = Array.from({ length: n }, (_, seed) =>
        attention(query, key, ones, { normaliser: hard({ straightThrough: { key: randomKey(seed) } }) }),
      );
      const mean = mul(sum(stack(picks), 0), 1 / n);
      expectClose(mean, attention(query, key, ones), (5 * 3) / Math.sqrt(n));
      expect(picks[0].toArray()).not.toEqual(picks[1].toArray());
    }));
});

it("thresholds of whole rows are exact whatever the scores: ties, zeros of both signs, numbers of all sizes", () => {
  const rows = [
    [3, 3, 3, 3, 3, 3, 3, 3, 3],
    [0, -0, 0, -0, 1e-40, -1e-40, 0, 1, -1],
    [1e30, -1e30, 1e-30, 7, 7, 7, 1e30, -3e38, 3e38],
    [1, 0.5, 0.25, 0.125, 0.0625, 0.5, 0.25, 0.125, 0.0625],
    [-5, -4, -3, -2, -1, -2, -3, -4, -5],
    [...Array.from({ length: 700 }, (_, j) => Math.fround(Math.sin(j * j))), ...Array.from({ length: 200 }, () => 0.25)],
  ];
  for (const { use } of eachBackend()) {
    use(() => {
      for (const list of rows) {
        const n = list.length;
        const eye = tensor(
          Float32Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0)),
          { shape: [n, n] },
        );
        const ks = n < 20 ? Array.from({ length: n + 1 }, (_, k) => k + 1) : [1, 199, 350, n - 1];
        for (const normaliser of [...ks.map(topK), sparsemax(), entmax15(), hard({ straightThrough: {} })]) {
          const all = [tensor([[1]]), tensor(list.map((s) => [s])), eye] as const;
          const options = { normaliser, score: scaledDot({ scale: 1 }) };
          const { weights } = attention(...all, { ...options, returns: ["weights"] });
          // Weights up to 1; a threshold is a sum of up to n differences.
          expectClose(attention(...all, { ...options, strict: true }), weights, 1e-6);
        }
      }
    });
  }
});

it("hard with noise chooses in the kernel as the dense definition does, and lends the same gradient", () => {
  for (const { use } of eachBackend()) {
    use(() => {
      const [L, S] = [40, 301];
      const [q, k, v] = [randomTensor([B, H, L, D], 1), randomTensor([B, H, S, D], 2), randomTensor([B, H, S, E], 3)];
      const options = { normaliser: hard({ straightThrough: { temperature: 0.7, key: randomKey(4) } }), mask: causal() };
      const cotangent = randomTensor([B, H, L, E], 5);
      const run = (f: (q: Tensor, k: Tensor, v: Tensor) => Tensor) => [
        f(q, k, v),
        ...grad(([a, b, c]: [Tensor, Tensor, Tensor]) => sum(mul(f(a, b, c), cotangent)))([q, k, v]),
      ];
      const found = run((...all) => attention(...all, { ...options, strict: true }));
      const expected = run((...all) => dense(prepare("attention", ...all, options), new Set()).output);
      found.forEach((x, i) => expectClose(x, expected[i], 2e-6));
    });
  }
});

describe("gradients", () => {
  it("of sinks and relative values, also by them", () => {
    expectGradient(
      (q, k, v, sink, valueTable) => {
        const { output, lse } = attention(q, k, v, { sink, valueTable, mask: causal(), softcap: 2, returns: ["lse"] });
        return [output, lse];
      },
      [...shapes, [2], [2, 3, 2]],
    );
  });

  it("of packed sequences", () => {
    const [cuSeqlensQuery, cuSeqlensKey] = [Int32Array.of(0, 2, 5), Int32Array.of(0, 3, 4)];
    expectGradient(
      (q, k, v) => {
        const { output, lse } = attention(q, k, v, { cuSeqlensQuery, cuSeqlensKey, mask: window(1, 2), returns: ["lse"] });
        return [output, lse];
      },
      [
        [5, 2, 3],
        [4, 1, 3],
        [4, 1, 2],
      ],
    );
  });

  it("of topK, sparsemax and entmax15, away from where the choice changes", () => {
    const mask = fromTensor(randomTensor([3, 4], 3, { dtype: "bool" }));
    const expectThrough = (options: AttentionOptions, second = false) =>
      expectGradient((q, k, v) => attention(q, k, v, options), [...shapes], { second });
    for (const normaliser of [topK(2), sparsemax(), entmax15()]) {
      expectThrough({ normaliser });
      expectThrough({ normaliser, mask });
    }
    expectThrough({ normaliser: entmax15() }, true);
  });
});

it("weights of the row-holding normalisers agree with plain formulas on random rows", () => {
  const x = randomTensor([4, 9], 5, { low: -2, high: 2 });
  const weights = (normaliser: AttentionOptions["normaliser"] & {}) =>
    attention(zeros([4, 1]), zeros([9, 1]), zeros([9, 1]), { bias: x, normaliser, returns: ["weights"] }).weights;
  // softmax of the topK, from the definition by sorting.
  const rows = x.toArray() as number[][];
  expectClose(
    weights(topK(3)),
    rows.map((row) => {
      const least = [...row].sort((a, b) => b - a)[2];
      const total = row.reduce((sum, s) => sum + (s >= least ? Math.exp(s) : 0), 0);
      return row.map((s) => (s >= least ? Math.exp(s) / total : 0));
    }),
    1e-6,
  );
  // sparsemax is the projection on the simplex: no other distribution lies closer.
  const projected = weights(sparsemax());
  const distance = (p: Tensor) => sum(square(sub(p, x)), -1).toTypedArray();
  for (const seed of [1, 2, 3]) {
    const other = softmaxOf(randomTensor([4, 9], seed, { low: -3, high: 3 }), -1);
    distance(other).forEach((d, i) => expect(d).toBeGreaterThan(distance(projected)[i]));
  }
  expectClose(argmax(weights(entmax15()), -1), argmax(x, -1));
  expectClose(exp(logSumExp(weights(identity()), -1)), exp(logSumExp(x, -1)), 1e-5);
});

describe("messages", () => {
  const call = (options: object) => () => attention(query, key, value, options as AttentionOptions);
  it.each<[object, RegExp]>([
    [{ sink: zeros([2]) }, /attention: sink must be a tensor \[H\]; got sink \[2\], H 3/],
    [{ sink: zeros([3]), normaliser: sparsemax() }, /a sink belongs to softmax; got normaliser "sparsemax"/],
    [{ sink: cast(zeros([3]), "float64") }, /sink must have the dtype of query/],
    [{ valueTable: zeros([4, E]) }, /an odd number of distances/],
    [{ valueTable: zeros([2, 5, E]) }, /valueTable must have 1 or H heads/],
    [{ valueTable: zeros([E]) }, /valueTable must be \[2 · maxDistance \+ 1, E\]/],
    [{ scoreMod: () => 0 }, /scoreMod must be an expression; got scoreMod "function"/],
    [{ cuSeqlensQuery: Int32Array.of(0, 5) }, /packed query must be \[tokens, heads, width\]; got query \[2, 3, 5, 4\]/],
    [{ normaliser: sparsemax(), returns: ["lse"] }, /lse belongs to softmax/],
  ])("%o", (options, message) => expect(call(options)).toThrow(message));

  it("of packed sequences", () => {
    const [q, k] = [zeros([5, 2, 3]), zeros([4, 2, 3])];
    const packed = (options: object) => () => attention(q, k, k, options as AttentionOptions);
    expect(packed({ cuSeqlensQuery: Int32Array.of(0, 5) })).toThrow(/packed sequences need cuSeqlensKey too/);
    expect(packed({ cuSeqlensQuery: Int32Array.of(0, 5), cuSeqlensKey: Int32Array.of(0, 3) })).toThrow(
      /cuSeqlensKey must begin with 0, never fall, and end with the number of tokens; got cuSeqlensKey \[0, 3\], tokens 4/,
    );
    expect(packed({ cuSeqlensQuery: Int32Array.of(0, 2, 5), cuSeqlensKey: Int32Array.of(0, 4) })).toThrow(/of the same sequences/);
    expect(packed({ cuSeqlensQuery: tensor([0, 5]), cuSeqlensKey: Int32Array.of(0, 4) })).toThrow(/must be int32 \[count \+ 1\]/);
    const both = { cuSeqlensQuery: Int32Array.of(0, 5), cuSeqlensKey: Int32Array.of(0, 4) };
    expect(packed({ ...both, layout: "bhld" })).toThrow(/packed sequences have a layout of their own/);
    expect(() => attention(q, k, zeros([3, 2, 3]), both)).toThrow(/key and value must share totalKeys \(axis 0\)/);
  });
  it("of normalisers", () => {
    expect(() => topK(0)).toThrow(/topK: k must be a whole number from 1 on; got k 0/);
    expect(() => hard({ straightThrough: { temperature: 0 } })).toThrow(/hard: temperature must be above 0/);
  });
});

it.each([1e-42, 1e-36, 1e-30, 2 ** -100, 1e30, 1e38])(
  "a scale of %s: closed pairs have no weight, open ones that of their scores",
  (scale) => {
    const keys = [2, 1, 2, 3, 1, 0, 2, 2];
    for (const { use } of eachBackend()) {
      use(() => {
        const [query, key] = [tensor(keys.map(() => [1])), tensor(keys.map((x) => [x]))];
        const { weights } = attention(query, key, key, { score: scaledDot({ scale }), mask: causal(), returns: ["weights"] });
        const output = attention(query, key, key, { score: scaledDot({ scale }), mask: causal() });
        keys.forEach((_, i) => {
          const open = keys.slice(0, i + 1);
          // Scores differ by nothing, or by more than any exponential holds.
          const chosen = open.map((x) => scale < 1 || x === Math.max(...open));
          const share = 1 / chosen.filter(Boolean).length;
          const expected = keys.map((_, j) => (chosen[j] === true ? share : 0));
          expectClose(weights.slice(0, i, i + 1), [expected], 1e-6);
          expect((weights.toArray() as number[][])[i].slice(i + 1).every((weight) => weight === 0)).toBe(true);
          expectClose(output.slice(0, i, i + 1), [[expected.reduce((total, weight, j) => total + weight * keys[j], 0)]], 1e-6);
        });
      });
    }
  },
);
