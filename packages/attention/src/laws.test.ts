import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  broadcastTo,
  eye,
  grad,
  indexSelect,
  logicalAnd,
  logicalNot,
  logicalOr,
  matmul,
  mul,
  normal,
  randomKey,
  stack,
  sum,
  tanh,
  tensor,
  transpose,
  where,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { inFloat64 } from "@heed/tensor/reference";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { and, causal, fromTensor, not, or, window, type DrawableMask } from "@heed/masks";
import { additive, bilinear, gaussian, initAdditive, scaledDot } from "@heed/scoring";
import type { Score } from "@heed/tensor/terms";
import { attention, type AttentionOptions, type Normaliser } from "./index.ts";
import { entmax15, hard, identity, relu, sigmoid, softmax, sparsemax, topK } from "./normalisers.ts";

/** The laws of design §4 that hold for every score, mask and normaliser. */

const normalisers: Readonly<Record<string, Normaliser>> = {
  softmax: softmax(),
  "relu by count": relu(),
  "relu by sum": relu({ divideBy: "sum" }),
  sigmoid: sigmoid({ bias: -0.5 }),
  identity: identity(),
  hard: hard(),
  "hard, with a gradient of softmax": hard({ straightThrough: { temperature: 2 } }),
  topK: topK(3),
  sparsemax: sparsemax(),
  entmax15: entmax15(),
};
const D = 3;
const scores: Readonly<Record<string, (heads: number) => Score>> = {
  scaledDot: () => scaledDot(),
  "scaledDot with a factor per head": (heads) =>
    scaledDot({ scale: randomTensor([heads], 5, { low: 0.5, high: 1.5, requiresGrad: true }) }),
  gaussian: (heads) => gaussian({ sigma: randomTensor([heads], 5, { low: 0.5, high: 1.5, requiresGrad: true }) }),
  bilinear: () => bilinear({ weight: randomTensor([D, D], 6, { requiresGrad: true }) }),
  additive: () => additive(initAdditive(randomKey(4), { queryDim: D, keyDim: D, hiddenDim: 5, bias: true })),
};

interface Case {
  readonly B: number;
  readonly Hkv: number;
  readonly group: number;
  readonly L: number;
  readonly S: number;
  readonly E: number;
  readonly seed: number;
  /** How much is closed, from 0 to 1. */
  readonly closed: number;
  readonly score: string;
  readonly normaliser: string;
  readonly softcap: boolean;
  readonly bias: boolean;
  readonly dropout: boolean;
}
const cases = fc.record<Case>({
  B: fc.integer({ min: 1, max: 2 }),
  Hkv: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 3),
  L: fc.integer({ min: 1, max: 5 }),
  S: fc.integer({ min: 1, max: 9 }),
  E: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(1000),
  closed: fc.constantFrom(0.2, 0.6, 0.9),
  score: fc.constantFrom(...Object.keys(scores)),
  normaliser: fc.constantFrom(...Object.keys(normalisers)),
  softcap: fc.boolean(),
  bias: fc.boolean(),
  dropout: fc.boolean(),
});

function operands({ B, Hkv, group, L, S, E, seed }: Case) {
  const H = Hkv * group;
  return {
    H,
    query: randomTensor([B, H, L, D], seed),
    key: randomTensor([B, Hkv, S, D], seed + 1),
    value: randomTensor([B, Hkv, S, E], seed + 2),
  };
}

function optionsOf(each: Case): AttentionOptions {
  const { Hkv, group, L, S, seed } = each;
  return {
    score: scores[each.score](Hkv * group),
    normaliser: normalisers[each.normaliser],
    ...(each.softcap ? { softcap: 1.5 } : {}),
    ...(each.bias ? { bias: [randomTensor([Hkv * group, 1, S], seed + 3), randomTensor([L, S], seed + 4)] } : {}),
    dropoutP: each.dropout ? 0.3 : 0,
    dropoutKey: randomKey(seed),
  };
}

/** Bits of `[B, H, L, S]`, true = open. */
function randomMask({ B, Hkv, group, L, S, seed, closed }: Case): Uint8Array {
  return Uint8Array.from(randomTensor([B * Hkv * group * L * S], seed + 7, { low: 0 }).toTypedArray(), (x) => Number(x >= closed));
}
const maskTensor = (bits: Uint8Array, { B, Hkv, group, L, S }: Case) => tensor(bits, { shape: [B, Hkv * group, L, S], dtype: "bool" });

/** Keys or values, each head repeated for the query heads that share it. */
const repeatedFor = (x: Tensor, { group }: Case): Tensor =>
  indexSelect(x, tensor(Int32Array.from({ length: x.shape[1] * group }, (_, h) => Math.floor(h / group))), 1);

/** All that a call returns, and its gradients by query, key, value and by what the score learned, for one cotangent. */
function everything(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions, cotangent?: Tensor): Record<string, Tensor> {
  const returns =
    options.normaliser?.kind === "softmax" ? (["weights", "scores:masked", "lse"] as const) : (["weights", "scores:masked"] as const);
  const results = attention(query, key, value, { ...options, returns });
  const learned = Object.entries(options.score?.parameters?.() ?? {}).filter(([, x]) => x.requiresGrad);
  for (const [, x] of learned) x.grad = null;
  const loss = (q: Tensor, k: Tensor, v: Tensor) => {
    const y = attention(q, k, v, options);
    return sum(mul(y, cotangent ?? randomTensor(y.shape, 77)));
  };
  const [dq, dk, dv] = grad(([q, k, v]: [Tensor, Tensor, Tensor]) => loss(q, k, v))([query, key, value]);
  // `hard` gives scores no gradient, so nothing may have been recorded.
  const total = loss(query, key, value);
  if (total.requiresGrad) total.backward();
  return { ...results, dq, dk, dv, ...Object.fromEntries(learned.map(([name, x]) => [`d ${name}`, x.grad ?? zeros(x.shape)])) };
}

function expectSame(actual: Record<string, Tensor>, expected: Record<string, Tensor>): void {
  for (const [name, x] of Object.entries(expected)) {
    try {
      expectClose(actual[name], x);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

function expectNoNaN(all: Record<string, Tensor>): void {
  for (const [name, x] of Object.entries(all)) expect(Array.from(x.toTypedArray()).some(Number.isNaN), `NaN in ${name}`).toBe(false);
}

const poisons = [NaN, Infinity, -Infinity, 1e38, -3e38];
/** Some elements of the rows (of the last axis) that are named become poison. */
function poisoned(x: Tensor, rows: (row: number) => boolean, seed: number): Tensor {
  const width = x.shape.at(-1)!;
  const values = x.toTypedArray();
  for (let row = 0; row < x.size / width; row++) {
    if (!rows(row)) continue;
    // At least one element, the others by chance.
    for (let i = 0; i < width; i++)
      if (i === (row + seed) % width || (row * 7 + i * 3 + seed) % 2 === 0)
        values[row * width + i] = poisons[(row + i + seed) % poisons.length];
  }
  return tensor(values as Float32Array, { shape: x.shape });
}

const runs = { numRuns: 20, seed: 2024 };

describe.each(eachBackend())("on $name", ({ use }) => {
  const law = (check: (each: Case) => void, count = runs) => use(() => fc.assert(fc.property(cases, check), count));

  it("a constant value is returned unchanged where a query sees something, since weights of softmax sum to one", () =>
    law((each) => {
      const { query, key, value, H } = operands(each);
      const bits = randomMask(each);
      const y = attention(query, key, broadcastTo(tensor(3), value.shape), {
        ...optionsOf({ ...each, dropout: false }),
        normaliser: softmax(),
        mask: maskTensor(bits, each),
      });
      const sees = Array.from({ length: each.B * H * each.L }, (_, row) => bits.subarray(row * each.S, (row + 1) * each.S).includes(1));
      // Weights are rounded, then summed: S roundings each way.
      expectClose(
        y.toTypedArray(),
        Float32Array.from(y.toTypedArray(), (_, i) => (sees[Math.floor(i / each.E)] ? 3 : 0)),
        3 * 4 * each.S * 2 ** -24,
      );
    }));

  it("masks mean what and, or, not mean of their booleans", () =>
    law(
      (each) => {
        const { query, key, value } = operands(each);
        const [a, b] = [maskTensor(randomMask(each), each), maskTensor(randomMask({ ...each, seed: each.seed + 50, closed: 0.5 }), each)];
        const [x, y] = [fromTensor(a), fromTensor(b)];
        const run = (mask: Tensor | DrawableMask) => everything(query, key, value, { ...optionsOf(each), mask });
        expectSame(run(and(x, y)), run(logicalAnd(a, b)));
        expectSame(run(or(x, not(y))), run(logicalOr(a, logicalNot(b))));
        const shape = [each.L, each.S] as const;
        expectSame(run(and(causal(), window(2, -1))), run(and(causal(), window(2, -1)).toTensor(...shape)));
      },
      { ...runs, numRuns: 8 },
    ));

  it("a bias of −∞ closes its pair as a mask would", () =>
    law((each) => {
      const { query, key, value } = operands(each);
      const bits = randomMask(each);
      const options = optionsOf({ ...each, bias: false });
      const bias = tensor(
        Float32Array.from(bits, (open) => (open === 1 ? 0 : -Infinity)),
        { shape: maskTensor(bits, each).shape },
      );
      expectSame(
        everything(query, key, value, { ...options, bias }),
        everything(query, key, value, { ...options, mask: maskTensor(bits, each) }),
      );
    }));

  it("an empty row gives output 0, weights 0, lse −∞ and gradient 0, never NaN", () =>
    law((each) => {
      const { query, key, value, H } = operands(each);
      const bits = randomMask(each);
      const blank = (row: number) => row % 2 === each.seed % 2;
      for (let row = 0; row < each.B * H * each.L; row++) if (blank(row)) bits.fill(0, row * each.S, (row + 1) * each.S);
      const all = everything(query, key, value, { ...optionsOf(each), mask: maskTensor(bits, each) });
      expectNoNaN(all);
      const rowsOf = (x: Tensor, width: number) => Array.from(x.toTypedArray()).filter((_, i) => blank(Math.floor(i / width)));
      for (const [name, width] of [
        ["output", each.E],
        ["weights", each.S],
        ["dq", D],
      ] as const)
        expect(
          rowsOf(all[name], width).every((x) => x === 0),
          name,
        ).toBe(true);
      if (all.lse !== undefined) expect(rowsOf(all.lse, 1).every((x) => x === -Infinity)).toBe(true);
    }));

  it("what masked keys, masked values and queries of empty rows hold changes no bit of any output or gradient", () =>
    law(
      (each) => {
        const { query, key, value, H } = operands(each);
        const { B, Hkv, group, L, S, seed } = each;
        const bits = randomMask(each);
        const hidden = (b: number, h: number, j: number) => (b + h + j + seed) % 3 === 0;
        for (let at = 0; at < bits.length; at++) {
          const [b, h, j] = [Math.floor(at / (S * L * H)), Math.floor(at / (S * L)) % H, at % S];
          if (hidden(b, Math.floor(h / group), j)) bits[at] = 0;
        }
        const options = { ...optionsOf(each), mask: maskTensor(bits, each) };
        const empty = (row: number) => !bits.subarray(row * S, (row + 1) * S).includes(1);
        const ofKey = (row: number) => hidden(Math.floor(row / (S * Hkv)), Math.floor(row / S) % Hkv, row % S);
        expect(B * Hkv * S).toBe(key.size / D);
        expectSame(
          everything(poisoned(query, empty, seed), poisoned(key, ofKey, seed), poisoned(value, ofKey, seed + 1), options),
          everything(query, key, value, options),
        );
      },
      { ...runs, numRuns: 40 },
    ));

  it("a key that others may see poisons them alone: queries that may not keep their bits", () =>
    law((each) => {
      const { query, key, value, H } = operands(each);
      const { group, L, S, E, seed } = each;
      const bits = randomMask(each);
      const bad = seed % S;
      const options = { ...optionsOf(each), mask: maskTensor(bits, each) };
      // Only in value and key of head 0 of sample 0.
      const row = (at: number) => at === bad;
      const [k, v] = [poisoned(key, row, seed), poisoned(value, row, seed)];
      const touched = Array.from({ length: query.size / D }, (_, at) => Math.floor(at / (L * group)) === 0 && bits[at * S + bad] === 1);
      // A cotangent for the others alone: then their queries' gradients keep their bits too.
      const cotangent = tensor(
        Float32Array.from(randomTensor([(query.size / D) * E], 77).toTypedArray(), (x, i) => (touched[Math.floor(i / E)] ? 0 : x)),
        { shape: [each.B, H, L, E] },
      );
      const clean = everything(query, key, value, options, cotangent);
      const dirty = everything(query, k, v, options, cotangent);
      for (const [name, width] of [
        ["output", E],
        ["weights", S],
        ["dq", D],
      ] as const) {
        const keep = (x: Tensor) => Float64Array.from(x.toTypedArray()).map((value, i) => (touched[Math.floor(i / width)] ? 0 : value));
        expectSame({ [name]: tensor(keep(dirty[name])) }, { [name]: tensor(keep(clean[name])) });
      }
    }));

  it("an open pair with NaN is NaN, whatever the normaliser", () =>
    law((each) => {
      const { query, key, value } = operands({ ...each, B: 1, Hkv: 1 });
      const flat = { ...each, B: 1, Hkv: 1 };
      const bits = randomMask(flat);
      const options = { ...optionsOf({ ...flat, dropout: false }), mask: maskTensor(bits, flat) };
      const bad = each.seed % each.S;
      const values = key.toTypedArray() as Float32Array;
      values[bad * D] = NaN;
      const y = attention(query, tensor(values, { shape: key.shape }), value, options).toTypedArray();
      for (let row = 0; row < each.group * each.L; row++) {
        const expected = bits[row * each.S + bad] === 1;
        for (let i = 0; i < each.E; i++) expect(Number.isNaN(y[row * each.E + i]), `row ${row}`).toBe(expected);
      }
    }));

  it("scores up to 1e30 give finite, right results and finite gradients", () =>
    law((each) => {
      const { query, key, value } = operands(each);
      const large = (x: Tensor) => mul(x, 1e15);
      const mask = maskTensor(randomMask({ ...each, closed: 0.2 }), each);
      const all = everything(large(query), large(key), value, { mask, normaliser: softmax() });
      expectNoNaN(all);
      for (const name of ["output", "weights", "dv"]) expect(Array.from(all[name].toTypedArray()).every(Number.isFinite), name).toBe(true);
      // Differences of such scores are 0 or beyond any exponential, unless two keys score alike to 1e-30: then float32 cannot tell.
      const exact = inFloat64((q, k, v) => attention(q, k, v, { mask }), large(query), large(key), value);
      expectClose(all.output, exact, 1e-6);
    }));

  it("large scores that lie close give the weights of their differences", () =>
    use(() => {
      // Exact in float32: 2^90 · {1, 1, 1 − 2^-20} and small ones shifted by 2^20.
      const weightsOf = (list: number[]) =>
        attention(tensor([[1]]), tensor(list.map((s) => [s])), tensor(list.map(() => [1])), {
          score: scaledDot({ scale: 1 }),
          returns: ["weights"],
        }).weights;
      expectClose(weightsOf([2 ** 90, 2 ** 90, 2 ** 90 - 2 ** 70]), [[0.5, 0.5, 0]]);
      const shifted = weightsOf([2 ** 20, 2 ** 20 + 1, 2 ** 20 - 1]);
      const total = 1 + Math.E + 1 / Math.E;
      expectClose(shifted, [[1 / total, Math.E / total, 1 / Math.E / total]], 1e-6);
      expectClose(weightsOf([-1e30, -1e30, -Infinity]), [[0.5, 0.5, 0]]);
    }));

  it("permuted queries permute outputs; permuted keys with their values and masks change nothing but rounding", () =>
    law((each) => {
      const { query, key, value } = operands(each);
      const { L, S, seed } = each;
      const bits = maskTensor(randomMask(each), each);
      const order = (n: number) => tensor(Int32Array.from({ length: n }, (_, i) => (i * (n === 7 ? 3 : 1) + seed) % n));
      const options = optionsOf({ ...each, bias: false, dropout: false });
      const plain = attention(query, key, value, { ...options, mask: bits });
      const queries = attention(indexSelect(query, order(L), 2), key, value, { ...options, mask: indexSelect(bits, order(L), 2) });
      expectClose(queries, indexSelect(plain, order(L), 2), 1e-6);
      const keys = attention(query, indexSelect(key, order(S), 2), indexSelect(value, order(S), 2), {
        ...options,
        mask: indexSelect(bits, order(S), 3),
      });
      // Sums of at most S products of numbers up to 1 (identity: scores up to D / √D, or squared distances), in another order.
      expectClose(keys, plain, S * 20 * 2 ** -22);
    }));

  it("the order is score → softcap → bias → mask → normaliser → dropout → sum; weights are per head, before dropout, which replays", () =>
    law((each) => {
      const { query, key, value, H } = operands(each);
      const { B, Hkv, L, S, seed, softcap } = each;
      const mask = maskTensor(randomMask(each), each);
      const options = optionsOf({ ...each, dropout: false });
      const stages = attention(query, key, value, {
        ...options,
        mask,
        returns: ["scores:raw", "scores:softcapped", "scores:masked", "weights"],
      });
      const [raw, capped] = [stages["scores:raw"], stages["scores:softcapped"]];
      const tolerance = S * 20 * 2 ** -22; // As of permuted keys, below.
      expectClose(raw, options.score!.dense(query, repeatedFor(key, each)), tolerance);
      expectClose(capped, softcap ? mul(tanh(mul(raw, 1 / 1.5)), 1.5) : raw, tolerance);
      const biased = ((options.bias ?? []) as Tensor[]).reduce((scores, bias) => add(scores, bias), capped);
      expectClose(stages["scores:masked"], where(mask, biased, -Infinity), tolerance);
      // The normaliser sees what is masked, and nothing else.
      const { normaliser } = options;
      const alone = { score: scaledDot({ scale: 0 }), bias: stages["scores:masked"], ...(normaliser === undefined ? {} : { normaliser }) };
      expectClose(stages.weights, attention(query, key, value, { ...alone, returns: ["weights"] }).weights, tolerance);
      expect(stages.weights.shape).toEqual([B, H, L, S]);
      expectClose(stages.output, matmul(stages.weights, repeatedFor(value, each)), tolerance);

      // Values that are a basis show what is left of each weight: nothing, or 1 / (1 − p) of it.
      const basis = broadcastTo(eye(S), [B, Hkv, S, S]);
      const drop = { ...options, mask, dropoutP: 0.3, dropoutKey: randomKey(seed) };
      const left = attention(query, key, basis, drop).toTypedArray();
      expectClose(attention(query, key, basis, { ...drop, returns: ["weights"] }).weights, stages.weights, tolerance);
      const whole = mul(stages.weights, 1 / 0.7).toTypedArray();
      const kept = left.map((x, i) => (x === 0 ? 0 : whole[i]));
      expectClose(left, kept, tolerance);
      expect(attention(query, key, basis, drop).toTypedArray()).toEqual(left);
    }));

  it("shared key heads are as if each were repeated for its queries", () =>
    law((each) => {
      const { query, key, value } = operands(each);
      const options = { ...optionsOf(each), mask: maskTensor(randomMask(each), each) };
      // Rounding of E or D products of numbers up to 1; scores in another order differ by their last bits.
      const tolerance = each.S * 20 * 2 ** -22;
      expectClose(
        attention(query, key, value, options),
        attention(query, repeatedFor(key, each), repeatedFor(value, each), options),
        tolerance,
      );
    }));

  it("blhd is a view, and axes may be left out: a sample alone gives what it gives in a batch", () =>
    law((each) => {
      const { query, key, value } = operands(each);
      const mask = maskTensor(randomMask(each), each);
      const options = optionsOf({ ...each, dropout: false });
      const plain = attention(query, key, value, { ...options, mask });
      const [q, k, v] = [query, key, value].map((x) => transpose(x, 1, 2)) as [Tensor, Tensor, Tensor];
      const viewed = transpose(attention(q, k, v, { ...options, mask, layout: "blhd" }), 1, 2);
      expect(viewed.toTypedArray()).toEqual(plain.toTypedArray());
      const own = (x: Tensor, b: number) => x.slice(0, b, b + 1).reshape(x.shape.slice(1));
      for (let b = 0; b < each.B; b++) {
        const alone = attention(own(query, b), own(key, b), own(value, b), { ...options, mask: own(mask, b) });
        // Scores that project have products of other sizes, which round otherwise; the rest as of permuted keys.
        expectClose(alone, own(plain, b), each.S * 20 * 2 ** -22);
      }
    }));

  it("queryOffset says where queries stand: a suffix of the queries, and one offset per sample", () =>
    law((each) => {
      const { L, S, seed } = each;
      const { query, key, value } = operands(each);
      const options = { ...optionsOf({ ...each, bias: false, dropout: false }), mask: and(causal(), window(3, 1)) };
      const whole = attention(query, key, value, { ...options, queryOffset: seed % S });
      const tail = attention(query.slice(2, L - 1, L), key, value, { ...options, queryOffset: (seed % S) + L - 1 });
      expectClose(tail, whole.slice(2, L - 1, L), 1e-6);
      const offsets = Int32Array.from({ length: each.B }, (_, b) => (seed + 2 * b) % S);
      const alone = Array.from(offsets, (queryOffset, b) => {
        const [q, k, v] = [query, key, value].map((x) => x.slice(0, b, b + 1).reshape(x.shape.slice(1)));
        return attention(q, k, v, { ...options, queryOffset });
      });
      expectClose(attention(query, key, value, { ...options, queryOffset: offsets }), stack(alone, 0), 1e-6);
    }));
});

describe("causal attention", () => {
  it("is aligned bottom-right by default, top-left with offset 0", () => {
    const [q, k] = [zeros([2, 1]), zeros([4, 1])];
    const v = tensor([[1], [2], [3], [4]]);
    expectClose(attention(q, k, v, { mask: causal() }), [[2], [2.5]], 1e-6);
    expectClose(attention(q, k, v, { mask: causal(), queryOffset: 0 }), [[1], [1.5]], 1e-6);
    // More queries than keys: the first ones see nothing.
    expectClose(attention(zeros([3, 1]), zeros([2, 1]), normal(randomKey(1), [2, 1]), { mask: causal() }).slice(0, 0, 1), [[0]]);
  });
});
