import { bilinear, gaussian, scaledDot } from "@heed/scoring";
import {
  add,
  cast,
  configure,
  configuration,
  matmul,
  noGrad,
  normal,
  randomKey,
  tensor,
  transpose,
  UnsupportedError,
  type Tensor,
} from "@heed/tensor";
import { and, causal, padding, window } from "@heed/masks";
import { alibi } from "@heed/positional";
import type { Score } from "@heed/tensor/terms";
import { afterEach, describe, expect, it } from "vitest";
import { attention } from "./attention.ts";
import { scoreMod } from "./expressions.ts";
import { attention as forward, type AttentionOptions } from "./forward.ts";
import { hard, relu, sigmoid } from "./normalisers.ts";

const before = configuration();
afterEach(() => configure(before));

const key = randomKey(20);
const [B, H, L, S, D, E] = [2, 4, 37, 70, 16, 24];
const operands = (): [Tensor, Tensor, Tensor] => [
  normal(key.split("query"), [B, H, L, D]),
  normal(key.split("key"), [B, 2, S, D]),
  normal(key.split("value"), [B, 2, S, E]),
];

/** Everything that streams: what the complete entry gives, bit for bit. */
const optionSets: Readonly<Record<string, AttentionOptions>> = {
  "no option": {},
  "the default score by name": { score: scaledDot() },
  "another scale": { score: scaledDot({ scale: 0.3 }) },
  "a distance as score": { score: gaussian({ sigma: 2 }) },
  masks: { mask: and(causal(), window(20, 0)) },
  "padding and ALiBi": { mask: padding([70, 11]), bias: alibi({ numHeads: H }) },
  "a mask as tensor": { mask: tensor(Array.from({ length: L }, (_, i) => Array.from({ length: S }, (__, j) => (i * j) % 3 !== 1))) },
  "a bias as tensor": { bias: normal(key.split("bias"), [H, L, S]) },
  "softcap and sink": { softcap: 3, sink: normal(key.split("sink"), [H]) },
  "relative values": { valueTable: normal(key.split("table"), [7, E]) },
  dropout: { dropoutP: 0.3, dropoutKey: randomKey(4) },
  ReLU: { normaliser: relu() },
  sigmoid: { normaliser: sigmoid({ bias: -4 }) },
  hard: { normaliser: hard() },
  "an offset per sample": { mask: causal(), queryOffset: Int32Array.of(3, 30) },
};

describe("attention of @heed/attention/forward", () => {
  it.each(Object.entries(optionSets))("gives the bits of the complete entry: %s", (_, options) => {
    for (const precision of ["fast", "deterministic"] as const) {
      configure({ precision });
      const [q, k, v] = operands();
      expect(forward(q, k, v, options).toTypedArray()).toEqual(attention(q, k, v, options).toTypedArray());
    }
  });

  it("gives lse, takes other ranks and layouts, and packed sequences", () => {
    const [q, k, v] = operands();
    const returns = ["lse"] as const;
    const [one, other] = [forward(q, k, v, { returns }), attention(q, k, v, { returns })];
    expect(one.output.toTypedArray()).toEqual(other.output.toTypedArray());
    expect(one.lse.toTypedArray()).toEqual(other.lse.toTypedArray());
    expect(Object.keys(forward(q, k, v, { returns: [] }))).toEqual(["output"]);

    const turned = [q, k, v].map((x) => transpose(x, 1, 2)) as [Tensor, Tensor, Tensor];
    expect(forward(...turned, { layout: "blhd" }).toArray()).toEqual(attention(...turned, { layout: "blhd" }).toArray());
    const plain = normal(key, [5, 8]);
    expect(forward(plain, plain, plain).toArray()).toEqual(attention(plain, plain, plain).toArray());
    const half = cast(plain, "float16");
    expect(forward(half, half, half).toArray()).toEqual(attention(half, half, half).toArray());

    const tokens = normal(key.split("tokens"), [9, H, D]);
    const packed = { cuSeqlensQuery: Int32Array.of(0, 4, 9), cuSeqlensKey: Int32Array.of(0, 4, 9), mask: causal() };
    expect(forward(tokens, tokens, tokens, packed).toArray()).toEqual(attention(tokens, tokens, tokens, packed).toArray());
  });

  it("lets no row that is not finite reach another where the score has parameters", () => {
    const [q, k, v] = operands();
    const [badQuery, badKey] = [q.toTypedArray(), k.toTypedArray()];
    badQuery.fill(NaN, 5 * D, 6 * D);
    badKey[40 * D + 3] = Infinity;
    const both = [tensor(badQuery, { shape: q.shape }), tensor(badKey, { shape: k.shape }), v] as const;
    const weight = normal(key.split("weight"), [D, D]);
    for (const options of [{ score: bilinear({ weight }) }, { score: bilinear({ weight }), mask: window(3, 3), queryOffset: 0 }]) {
      const [one, other] = [forward(...both, options), attention(...both, options)];
      expect(one.toTypedArray()).toEqual(other.toTypedArray());
      expect([Number.isNaN, Number.isFinite].map((test) => one.toTypedArray().some(test))).toEqual([true, true]);
    }
  });

  it("takes a scoreMod, which brings its own kernels", () => {
    const [q, k, v] = operands();
    const options = { scoreMod: scoreMod(({ score, i, j }) => score.sub(i.sub(j).mul(i.sub(j)).div(100))) };
    expect(forward(q, k, v, options).toArray()).toEqual(attention(q, k, v, options).toArray());
  });

  it("records nothing, and says so where a gradient is asked for", () => {
    const [q, k, v] = operands();
    const leaf = tensor(q.toTypedArray(), { shape: q.shape, requiresGrad: true });
    expect(forward(q, k, v).requiresGrad).toBe(false);
    expect(() => forward(leaf, k, v)).toThrow(/an operand requires a gradient\. Import attention from "@heed\/attention"/);
    expect(() => forward(add(leaf, 1), k, v)).toThrow(UnsupportedError);
    expect(() => forward(q, k, v, { sink: tensor([1, 2, 3, 4], { requiresGrad: true }) })).toThrow(UnsupportedError);
    const without = noGrad(() => forward(leaf, k, v));
    expect([without.requiresGrad, without.toArray()]).toEqual([false, forward(q, k, v).toArray()]);
  });

  it("refuses what it left out, by name, before any work", () => {
    const [q, k, v] = operands();
    const double = (x: Tensor) => tensor(Float64Array.from(x.toTypedArray()), { shape: x.shape });
    const mine: Score = { name: "mine", dense: (a, b) => matmul(a, transpose(b)) } as Partial<Score> as Score;
    const none = normal(key, [B, H, 0, D]);
    const refused: [RegExp, () => unknown][] = [
      [/returns: "weights" is an array of L × S/, () => forward(q, k, v, { returns: ["weights"] as never })],
      [/float64 runs plain loops/, () => forward(double(q), double(k), double(v))],
      [/score: "mine" does not lower/, () => forward(q, k, v, { score: mine })],
      [/a size is 0/, () => forward(none, k, v)],
    ];
    for (const [message, call] of refused) {
      expect(call).toThrow(message);
      expect(call).toThrow(/Import attention from "@heed\/attention"/);
    }
    configure({ backend: "reference" });
    expect(() => forward(q, k, v)).toThrow(/no WebAssembly SIMD|plain loops/);
  });

  it("checks arguments as the complete entry does", () => {
    const [q, k, v] = operands();
    for (const call of [forward, attention]) {
      expect(() => call(q, normal(key, [B, 2, S, D + 1]), v)).toThrow(
        /scaledDot: query and key must share width D \(axis -1\); got query \[2, 4, 37, 16\], key \[2, 2, 70, 17\]/,
      );
      expect(() => call(q, k, normal(key, [B, 2, S + 1, E]))).toThrow(/share length S/);
      expect(() => call(q, k, v, { dropoutP: 2, dropoutKey: randomKey(1) })).toThrow(/dropoutP must be in/);
    }
  });
});
