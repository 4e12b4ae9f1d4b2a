import fc from "fast-check";
import { expect, it } from "vitest";
import { causal, window } from "@heed/masks";
import { training } from "@heed/nn";
import { normal, randomKey, slice, transpose, type Tensor } from "@heed/tensor";
import { expectClose } from "@heed/tensor/testing";
import { attention, explain, MultiHeadAttention, type AttentionOptions } from "./index.ts";
import { relu, softmax, topK } from "./normalisers.ts";

/** The laws of design §4 about calls: packed sequences, what `strict` says, and dropout in `training`. */
const [H, D] = [2, 3];
const key = randomKey(11);

it("gives packed sequences what each of them gets alone", () => {
  const length = fc.integer({ min: 0, max: 7 });
  const pairs = fc.array(fc.tuple(length, length), { minLength: 1, maxLength: 4 });
  const options = fc.constantFrom<AttentionOptions>(
    {},
    { mask: causal() },
    { mask: window(2, 1) },
    { normaliser: relu() },
    { normaliser: topK(2) },
  );
  fc.assert(
    fc.property(pairs, options, fc.nat(), (lengths, given, seed) => {
      const ends = (side: 0 | 1) =>
        Int32Array.from([0, ...lengths.map((_, b) => lengths.slice(0, b + 1).reduce((sum, pair) => sum + pair[side], 0))]);
      const [cuSeqlensQuery, cuSeqlensKey] = [ends(0), ends(1)];
      const drawn = (name: string, cu: Int32Array) => normal(key.split(seed).split(name), [cu.at(-1)!, H, D]);
      const [q, k, v] = [drawn("q", cuSeqlensQuery), drawn("k", cuSeqlensKey), drawn("v", cuSeqlensKey)];
      const packed = attention(q, k, v, { ...given, cuSeqlensQuery, cuSeqlensKey });
      lengths.forEach((_, b) => {
        const part = (x: Tensor, cu: Int32Array) => transpose(slice(x, 0, cu[b]!, cu[b + 1]!), 0, 1);
        const alone = attention(part(q, cuSeqlensQuery), part(k, cuSeqlensKey), part(v, cuSeqlensKey), given);
        expectClose(part(packed, cuSeqlensQuery), alone, 2e-6);
      });
    }),
    { numRuns: 60 },
  );
});

it("streams exactly where explain says so, and strict throws elsewhere", () => {
  const x = (L: number, name: string) => normal(key.split(name), [H, L, D]);
  const stranger = { name: "stranger", dense: (scores: Tensor) => scores, lower: () => ({ form: "expression" as const, expression: { op: "variable" as const, type: "float" as const, name: "score" as const }, tables: [] }) }; // prettier-ignore
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom(softmax(), relu(), topK(2)),
      fc.boolean(),
      (L, S, normaliser, foreign) => {
        const options: AttentionOptions = { normaliser, ...(foreign ? { scoreMod: stranger } : {}) };
        const [q, k, v] = [x(L, "q"), x(S, "k"), x(S, "v")];
        const streams = explain(q, k, v, options).kernel === "streaming";
        expect(streams).toBe(!foreign);
        const call = () => attention(q, k, v, { ...options, strict: true });
        if (streams) expect(call().toArray()).toEqual(attention(q, k, v, options).toArray());
        else expect(call).toThrow(/strict/);
      },
    ),
    { numRuns: 40 },
  );
});

it("drops the same weights in every training with the same key, and others with another", () => {
  const module = new MultiHeadAttention(8, 2, { key, dropoutP: 0.5 });
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 4, max: 9 }), (seed, L) => {
      const x = normal(key.split("x"), [1, L, 8]);
      const run = (step: number) => training(randomKey(step), () => module.forward(x, x, x).toArray());
      expect(run(seed)).toEqual(run(seed));
      expect(run(seed)).not.toEqual(run(seed + 1));
    }),
    { numRuns: 20 },
  );
});
