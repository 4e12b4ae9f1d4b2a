import { describe, expect, it } from "vitest";
import {
  add,
  broadcastTo,
  cast,
  exp,
  expand,
  grad,
  matmul,
  mul,
  noGrad,
  randomKey,
  reshape,
  scope,
  sub,
  sum,
  tanh,
  tensor,
  transpose,
  unsqueeze,
  where,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "@heed/tensor/testing";
import { and, causal, fromTensor, not, padding, window, type DrawableMask } from "@heed/masks";
import { additive, bilinear, dot, gaussian, scaledDot } from "@heed/scoring";
import type { Score } from "@heed/tensor/terms";
import { attention, explain, type AttentionOptions, type Normaliser } from "./index.ts";
import { lowerScore } from "./internal/lower-score.ts";
import { lower } from "./internal/lower.ts";
import { prepare } from "./internal/prepare.ts";
import { streamed } from "./internal/streamed.ts";
import { hard, identity, relu, sigmoid, softmax, sparsemax, topK } from "./normalisers.ts";

const [B, H, L, S, D, E] = [2, 3, 5, 7, 4, 6];
const query = randomTensor([B, H, L, D], 1);
const key = randomTensor([B, H, S, D], 2);
const value = randomTensor([B, H, S, E], 3);
const bits = (shape: readonly number[], seed: number) => randomTensor(shape, seed, { dtype: "bool" });

interface GoldenOptions {
  readonly scale: number | null;
  readonly causal: boolean;
  readonly align: "top_left" | "bottom_right";
  readonly window: [number, number] | null;
  readonly softcap: number | null;
  readonly normalizer: string;
}
const named: Readonly<Record<string, Normaliser>> = {
  softmax: softmax(),
  relu: relu({ divideBy: "sum" }),
  relu_length: relu({ divideBy: "count" }),
};
const golden = loadGolden("attention", { op: "sdpa" }).filter(({ options }) => String(options.normalizer) in named);

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(golden)("agrees with $source on $name", (each) =>
    use(() => {
      const options = each.options as unknown as GoldenOptions;
      expectGolden(each, ({ inputs: { q, k, v, mask, bias, lengths } }) => {
        const masks: DrawableMask[] = [];
        if (options.causal) masks.push(causal());
        if (options.window !== null) masks.push(window(...options.window));
        if (mask !== undefined) masks.push(fromTensor(mask));
        if (lengths !== undefined) masks.push(padding(lengths.toTypedArray()));
        const { output, weights, ...rest } = attention(q, k, v, {
          ...(masks.length === 0 ? {} : { mask: and(...masks) }),
          ...(bias === undefined ? {} : { bias }),
          ...(options.scale === null ? {} : { score: scaledDot({ scale: options.scale }) }),
          ...(options.softcap === null ? {} : { softcap: options.softcap }),
          normaliser: named[options.normalizer],
          queryOffset: options.align === "top_left" ? 0 : k.shape.at(-2)! - q.shape.at(-2)!,
          returns: options.normalizer === "softmax" ? ["weights", "lse"] : ["weights"],
        });
        return { y: output, weights, ...rest };
      });
    }),
  );
});

describe("attention", () => {
  it("is softmax(Q Kᵀ / √D) V by default", () => {
    const scores = mul(matmul(query, transpose(key)), 0.5);
    const weights = exp(sub(scores, 0));
    const expected = matmul(weights.div(sum(weights, -1, { keepDims: true })), value);
    expectClose(attention(query, key, value), expected, 1e-6);
  });

  it("returns each stage: raw, softcapped, masked, weights, in the order of the design", () => {
    const [mask, bias] = [bits([B, 1, L, S], 4), randomTensor([H, 1, S], 5)];
    const drop = { dropoutP: 0.4, dropoutKey: randomKey(3) };
    const { output, weights, lse, ...scores } = attention(query, key, value, {
      score: dot(),
      softcap: 0.7,
      bias,
      mask,
      ...drop,
      returns: ["scores:raw", "scores:softcapped", "scores:masked", "weights", "lse"],
    });
    expectClose(scores["scores:raw"], matmul(query, transpose(key)));
    expectClose(scores["scores:softcapped"], mul(tanh(mul(scores["scores:raw"], 1 / 0.7)), 0.7), 1e-6);
    expectClose(scores["scores:masked"], where(mask, add(scores["scores:softcapped"], bias), -Infinity));
    const powers = exp(scores["scores:masked"]);
    expectClose(weights, powers.div(sum(powers, -1, { keepDims: true })), 1e-6);
    expectClose(exp(lse), sum(powers, -1), 1e-5);
    // Weights come before dropout; without it they give the output.
    const plain = attention(query, key, value, { score: dot(), softcap: 0.7, bias, mask, returns: ["weights"] });
    expectClose(plain.weights, weights);
    expectClose(plain.output, matmul(weights, value), 1e-6);
    expect(output.toArray()).not.toEqual(plain.output.toArray());
  });

  it("gives only the output without returns, and an object with them, be they none", () => {
    expect(Object.keys(attention(query, key, value, { returns: [] }))).toEqual(["output"]);
    expect(attention(query, key, value).shape).toEqual([B, H, L, E]);
  });

  it("takes ranks 2 to 4: leading axes are left out alike in everything returned", () => {
    const all = ["lse", "weights", "scores:raw"] as const;
    const full = attention(query, key, value, { returns: all });
    const first = (x: Tensor, axes: number) => reshape(x.slice(0, 0, 1).slice(axes === 2 ? 1 : 0, 0, 1), x.shape.slice(axes));
    for (const axes of [1, 2]) {
      const some = attention(first(query, axes), first(key, axes), first(value, axes), { returns: all });
      expectClose(some.output, first(full.output, axes), 1e-6);
      for (const name of all) expectClose(some[name], first(full[name], axes), 1e-6);
    }
  });

  it("broadcasts over samples and ranks: shared keys, shared queries", () => {
    const [k, v] = [key.slice(0, 0, 1), value.slice(0, 0, 1)];
    const spread = (x: Tensor) => broadcastTo(x, [B, ...x.shape.slice(1)]);
    expectClose(attention(query, k, v), attention(query, spread(k), spread(v)));
    expectClose(attention(query, reshape(k, [H, S, D]), reshape(v, [H, S, E])), attention(query, spread(k), spread(v)));
    const q = query.slice(0, 0, 1);
    expectClose(attention(q, key, value, { mask: padding([3, 7]) }), attention(spread(q), key, value, { mask: padding([3, 7]) }));
  });

  it("reads layout blhd as a view, of rank 4 and 3", () => {
    const [q, k, v] = [query, key, value].map((x) => transpose(x, 1, 2));
    const options: AttentionOptions = { mask: and(causal(), padding([4, 7])), queryOffset: 2 };
    expectClose(attention(q, k, v, { ...options, layout: "blhd" }), transpose(attention(query, key, value, options), 1, 2));
    const [q3, k3, v3] = [q, k, v].map((x) => reshape(x.slice(0, 0, 1), x.shape.slice(1)));
    const expected = attention(transpose(q3, 0, 1), transpose(k3, 0, 1), transpose(v3, 0, 1));
    expectClose(attention(q3, k3, v3, { layout: "blhd" }), transpose(expected, 0, 1), 1e-6);
    expect(attention(q, k, v, { layout: "blhd", returns: ["weights"] }).weights.shape).toEqual([B, H, L, S]);
  });

  it("lets neighbouring query heads share a key head, values and gradients, whatever the score", () => {
    const q = randomTensor([B, 6, L, D], 1);
    const [k, v] = [randomTensor([B, 2, S, D], 2), randomTensor([B, 2, S, E], 3)];
    const repeat = (x: Tensor) => reshape(expand(unsqueeze(x, 2), [B, 2, 3, ...x.shape.slice(2)]), [B, 6, ...x.shape.slice(2)]);
    const scale = randomTensor([6], 4, { low: 0.5, high: 2 });
    for (const score of [scaledDot(), scaledDot({ scale }), gaussian({ sigma: scale })]) {
      const options: AttentionOptions = { score, mask: causal(), bias: randomTensor([6, 1, S], 5) };
      const shared = (qs: Tensor, ks: Tensor, vs: Tensor) => attention(qs, ks, vs, options);
      const repeated = (qs: Tensor, ks: Tensor, vs: Tensor) => attention(qs, repeat(ks), repeat(vs), options);
      expectClose(shared(q, k, v), repeated(q, k, v), 1e-6);
      const gradients = (f: typeof shared) =>
        grad(([a, b, c]: [Tensor, Tensor, Tensor]) => sum(mul(f(a, b, c), randomTensor([B, 6, L, E], 9))))([q, k, v]);
      const expected = gradients(repeated);
      gradients(shared).forEach((gradient, i) => expectClose(gradient, expected[i], 1e-5));
    }
  });

  it("takes sizes of 0: no queries, no keys, no samples, no width", () => {
    const empty = (l: number, s: number, b = B, d = D) =>
      attention(randomTensor([b, H, l, d]), randomTensor([b, H, s, d]), randomTensor([b, H, s, E]), {
        mask: causal(),
        queryOffset: 0,
        returns: ["lse", "weights"],
      });
    expect(empty(0, S).output.shape).toEqual([B, H, 0, E]);
    expectClose(empty(L, 0).output, broadcastTo(tensor(0), [B, H, L, E]));
    expectClose(empty(L, 0).lse, broadcastTo(tensor(-Infinity), [B, H, L]));
    expect(empty(L, S, 0).output.shape).toEqual([0, H, L, E]);
    expectClose(empty(L, S, B, 0).weights.slice(2, 1, 2).slice(3, 0, 2), broadcastTo(tensor(0.5), [B, H, 1, 2]), 1e-6);
    for (const normaliser of [relu(), sigmoid(), identity(), hard()]) {
      expectClose(attention(query, key.slice(2, 0, 0), value.slice(2, 0, 0), { normaliser }), broadcastTo(tensor(0), [B, H, L, E]));
    }
  });

  it("widens half precision", () => {
    const [q, k, v] = [query, key, value].map((x) => cast(x, "float16"));
    const wide = [q, k, v].map((x) => cast(x, "float32")) as [Tensor, Tensor, Tensor];
    expectClose(attention(q, k, v, { mask: causal() }), attention(...wide, { mask: causal() }));
  });

  it("replays dropout from its key, which drops other weights for other keys", () => {
    const ones = broadcastTo(tensor(1), [B, H, S, 1]);
    const run = (seed: number, values = ones) => attention(query, key, values, { dropoutP: 0.5, dropoutKey: randomKey(seed) }).toArray();
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expectClose(attention(query, key, ones, { dropoutP: 0, dropoutKey: randomKey(1) }), broadcastTo(tensor(1), [B, H, L, 1]), 1e-6);
    // Kept weights are doubled: averaged over keys, they sum to one again. A mean of n draws of w · 2 · Bernoulli(½) deviates by 1/√n at most.
    const draws = 400;
    const total = Array.from({ length: draws }, (_, seed) =>
      attention(query, key, ones, { dropoutP: 0.5, dropoutKey: randomKey(seed) }),
    ).reduce((a, b) => add(a, b));
    expectClose(mul(total, 1 / draws), broadcastTo(tensor(1), [B, H, L, 1]), 5 / Math.sqrt(draws));
  });

  it("merges what was split by keys, by lse", () => {
    const part = (from: number, to: number) => attention(query, key.slice(2, from, to), value.slice(2, from, to), { returns: ["lse"] });
    const [a, b] = [part(0, 3), part(3, S)];
    const [wa, wb] = [exp(a.lse), exp(b.lse)].map((x) => unsqueeze(x, -1));
    expectClose(add(mul(a.output, wa), mul(b.output, wb)).div(add(wa, wb)), attention(query, key, value), 1e-5);
  });

  it("computes the same in a scope", () => {
    const options: AttentionOptions = { mask: and(causal(), padding([2, 6])), softcap: 2 };
    expectClose(
      scope(() => attention(query, key, value, options)),
      attention(query, key, value, options),
    );
  });
});

describe("gradients of attention", () => {
  const [L, S] = [3, 4];
  const shapes = [
    [2, L, 3],
    [2, S, 3],
    [2, S, 2],
  ] as const;
  const expectThrough = (options: AttentionOptions, second = false) =>
    expectGradient((q, k, v) => attention(q, k, v, options), [...shapes], { second });

  it("are those of central differences: plain, twice, and with heads shared", () => {
    expectThrough({}, true);
    expectGradient(
      (q, k, v) => attention(q, k, v),
      [
        [2, 2, L, 3],
        [1, S, 3],
        [1, S, 2],
      ],
    );
  });

  it("through masks with empty rows, softcap, dropout and a fixed bias of −∞", () => {
    const mask = and(causal(), fromTensor(bits([L, S], 3)));
    expectThrough({ mask, queryOffset: -1 });
    expectThrough({ mask, softcap: 0.8, dropoutP: 0.3, dropoutKey: randomKey(2) });
    const closing = noGrad(() => where(bits([S], 8), cast(randomTensor([L, S], 5), "float64"), -Infinity));
    expectThrough({ bias: closing });
  });

  it("reach biases, where they broadcast and where there are several", () => {
    expectGradient((q, k, v, a, b) => attention(q, k, v, { bias: [a, b], mask: causal(), softcap: 2 }), [...shapes, [2, 1, S], [L, 1]]);
  });

  it("reach what scores learn", () => {
    expectGradient((q, k, v, scale) => attention(q, k, v, { score: scaledDot({ scale }), mask: causal() }), [...shapes, [2]]);
    expectGradient(
      (q, k, v, sigma) => attention(q, k, v, { score: gaussian({ sigma }) }),
      [...shapes, randomTensor([2], 1, { low: 0.5, high: 1 })],
    );
    expectGradient(
      (q, k, v, weight) => attention(q, k, v, { score: bilinear({ weight }) }),
      [
        [2, L, 3],
        [2, S, 4],
        [2, S, 2],
        [3, 4],
      ],
    );
    expectGradient(
      (q, k, v, queryWeight, keyWeight, vector) => attention(q, k, v, { score: additive({ queryWeight, keyWeight, vector }) }),
      [[2, L, 3], [2, S, 4], [2, S, 2], [5, 3], [5, 4], [5]],
    );
  });

  it("of the other normalisers, away from their kinks", () => {
    const mask = fromTensor(bits([L, S], 3));
    expectThrough({ normaliser: sigmoid({ bias: -1 }), mask });
    expectThrough({ normaliser: identity(), mask });
    // Scores of relu stay away from 0: 3 products of numbers in [0.5, 1.5) with alternating signs of the query.
    const q = randomTensor([2, L, 3], 1, { low: 0.5, high: 1.5 });
    const signs = tensor(Array.from({ length: L }, (_, i) => [i % 2 === 0 ? 1 : -1]));
    for (const divideBy of ["count", "sum"] as const) {
      expectGradient(
        (a, k, v) => attention(a, k, v, { normaliser: relu({ divideBy }), mask }),
        [mul(q, signs), randomTensor([2, S, 3], 2, { low: 0.5, high: 1.5 }), [2, S, 2]],
      );
    }
    expectThrough({ normaliser: hard(), mask });
    expectClose(grad((q0: Tensor) => sum(attention(q0, key, value, { normaliser: hard() })))(query), broadcastTo(tensor(0), query.shape));
  });

  it("of returned weights, scores and lse", () => {
    expectGradient(
      (q, k, v, bias) => {
        const { output, weights, lse, ...scores } = attention(q, k, v, {
          softcap: 1.5,
          bias,
          returns: ["weights", "lse", "scores:raw", "scores:softcapped", "scores:masked"],
        });
        return [output, weights, lse, ...Object.values(scores)];
      },
      [...shapes, [L, S]],
    );
    expectGradient((q, k, v) => attention(q, k, v, { mask: causal(), returns: ["weights"] }).weights, [...shapes]);
  });
});

describe("explain", () => {
  const masks = {
    none: undefined,
    causal: causal(),
    window: window(9, 2),
    lengths: and(causal(), padding([200, 37])),
    "two ranges": not(window(40, 3)),
    tiles: fromTensor(bits([150, 261], 5)),
    scattered: and(window(80, 20), not(window(5, 5)), fromTensor(bits([150, 1], 6))),
  };
  const shapes = [
    [2, 2, 150, 261, 16, 8],
    [2, 2, 150, 261, 130, 5],
  ] as const;
  const held = [undefined, topK(5), sparsemax()];
  it.each(Object.entries(masks))("predicts exactly what the kernel counts, forward and backward: %s", (_, mask) => {
    for (const [at, [b, h, l, s, d, e]] of [...shapes, ...shapes].entries()) {
      const normaliser = held[at % held.length];
      for (const { use, name } of eachBackend()) {
        if (name === "reference") continue; // The plain loops do not count.
        use(() => {
          const operands = [randomTensor([b, h, l, d]), randomTensor([b, h, s, d]), randomTensor([b, h, s, e])] as const;
          const options = { ...(mask === undefined ? {} : { mask }), ...(normaliser === undefined ? {} : { normaliser }) };
          const plan = explain(...operands, options);
          const counters = { forward: new Float64Array(2 * plan.chunks.forward), backward: new Float64Array(2 * plan.chunks.backward) };
          grad((all: typeof operands) => sum(streamed(lower(prepare("attention", ...all, options), lowerScore), false, counters).output))(
            operands,
          );
          const total = (each: Float64Array, which: 0 | 1) => each.filter((_n, at) => at % 2 === which).reduce((x, y) => x + y, 0);
          const cells = total(counters.forward, 0);
          expect([plan.flops.forward, plan.tiles.run]).toEqual([2 * cells * (d + e), total(counters.forward, 1)]);
          const [again, pairs] = [total(counters.backward, 0), total(counters.backward, 1)];
          // Scores and gradients of weights of every sweep, then gradients of queries, keys and values.
          const sweeps = normaliser === undefined || normaliser.kind === "topK" ? 1 : 2;
          expect(plan.flops.backward).toBe(2 * again * (d + e) + 2 * (again / sweeps) * d + 2 * pairs * (d + e));
        });
      }
    }
  });

  it("says which kernel runs and why, in words too", () => {
    const plan = explain(query, key, value, { mask: causal(), returns: ["weights"] });
    expect(plan.kernel).toBe("streaming");
    expect(plan.reason).toMatch(/"weights" is an array of L × S and comes of the dense definition/);
    expect(String(plan)).toMatch(/^streaming \(.*\n.*GFLOP forward.*\nworkspace .*KiB.*\ntiles of keys: \d+ run, 0 skipped/);
    expect(explain(query, key, value, { normaliser: topK(2) }).reason).toMatch(/; the scores of 5 rows are held at a time, to search/);
    const [one, many] = [zeros([1, 2]), zeros([400_000, 2])];
    expect(explain(one, many, many, { normaliser: sparsemax() }).reason).toMatch(/; rows of scores are too long to be held/);
    const mine = { name: "mine", dense: (q: Tensor, k: Tensor) => matmul(q, transpose(k)) } as Score;
    const dense = explain(query, key, value, { score: mine });
    expect([dense.kernel, dense.reason]).toEqual(["dense", 'score: "mine" does not lower']);
    expect(() => explain(query, key, value.slice(2, 0, 3))).toThrow(/explain: key and value must share length S/);
  });
});
