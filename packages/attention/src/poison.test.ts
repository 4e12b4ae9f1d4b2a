import { describe, expect, it } from "vitest";
import { mul, randomKey, sum, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, randomTensor } from "@heed/tensor/testing";
import type { Bias, Mask, Score } from "@heed/tensor/terms";
import { and, causal, fromTensor, padding, window } from "@heed/masks";
import { alibi, gridBias } from "@heed/positional";
import { additive, bilinear, dot, gaussian, scaledDot } from "@heed/scoring";
import { attention, explain, type AttentionOptions, type Normaliser } from "./index.ts";
import { entmax15, hard, identity, relu, sigmoid, softmax, sparsemax, topK } from "./normalisers.ts";

// The law of poison for every form that streams: what nobody may see changes no bit. Its tiles are of 64 × 64: some whole, some empty, some
// mixed. In the columns from 64 on every third key is hidden from all queries, and some queries see nothing.

const [B, H, Hkv, L, S, D, E] = [1, 2, 1, 70, 150, 6, 5];
const isHidden = (j: number) => j >= 64 && j % 3 === 1;
const isEmpty = (i: number) => i % 11 === 5;
/** Rows 0 … 63 see all of the first tile, but for the empty ones; rows from 64 on see nothing of it. */
const opens = (i: number, j: number) => !isEmpty(i) && !isHidden(j) && (j < 64 ? i < 64 : (i * 7 + j) % 5 !== 0);
const open = Uint8Array.from({ length: L * S }, (_, at) => Number(opens(Math.floor(at / S), at % S)));

const learned = (shape: readonly number[], seed: number, options = {}) => randomTensor(shape, seed, { requiresGrad: true, ...options });
const scores: Record<string, () => Score> = {
  scaledDot: () => scaledDot(),
  "a scale per head": () => scaledDot({ scale: learned([H], 5, { low: 0.5, high: 1.5 }) }),
  dot: () => dot(),
  bilinear: () => bilinear({ weight: learned([D, D], 6) }),
  gaussian: () => gaussian({ sigma: learned([H], 7, { low: 0.5, high: 1.5 }) }),
  additive: () => additive({ queryWeight: learned([4, D], 8), keyWeight: learned([4, D], 9), vector: learned([4], 10) }),
};
const shaw: Bias = {
  name: "by distance",
  dense: () => {
    throw new Error("the query takes part");
  },
  lower: () => ({ form: "queryRelative", table: randomTensor([H, 9, D], 14), maxDistance: 4 }),
};
const biases: Record<string, () => AttentionOptions["bias"]> = {
  none: () => undefined,
  keys: () => learned([H, 1, S], 11),
  "all pairs": () => learned([L, S], 12),
  alibi: () => alibi({ numHeads: H }),
  grid: () => gridBias({ table: learned([H, 5, 2 * S - 1], 13), grid: [3, S] }),
  "that closes": () => tensor(Float32Array.from({ length: S }, (_, j) => (j % 7 === 2 ? -Infinity : j / S))),
  "by distance": () => shaw,
};
const normalisers: Record<string, Normaliser> = {
  softmax: softmax(),
  "relu by count": relu(),
  "relu by sum": relu({ divideBy: "sum" }),
  sigmoid: sigmoid({ bias: -1 }),
  identity: identity(),
  hard: hard(),
  "hard, with a gradient of softmax": hard({ straightThrough: { temperature: 0.5, key: randomKey(5) } }),
  topK: topK(9),
  sparsemax: sparsemax(),
  entmax15: entmax15(),
};
const masks: Record<string, Mask | Tensor> = {
  tiles: fromTensor(tensor(open, { shape: [L, S], dtype: "bool" })),
  ranges: and(padding([100]), window(40, 8)),
};
const hiddenBy: Record<string, { key: (j: number) => boolean; query: (i: number) => boolean; queryOffset: number }> = {
  tiles: { key: isHidden, query: isEmpty, queryOffset: 0 },
  // Eight keys behind the own one: queries before 52 see nothing.
  ranges: { key: (j) => j >= 100, query: (i) => i < 52, queryOffset: -60 },
};

const poisons = [NaN, Infinity, -Infinity, 1e38, -1e38];
function poisoned(x: Tensor, isHit: (row: number) => boolean): Tensor {
  const [rows, width] = x.shape.slice(-2);
  const values = x.toTypedArray() as Float32Array;
  // One kind of poison per row: sums of several would be NaN whatever one alone becomes.
  for (let at = 0; at < values.length; at++) {
    const row = Math.floor(at / width);
    if (isHit(row % rows) && (at + row) % 2 === 0) values[at] = poisons[row % poisons.length];
  }
  return tensor(values, { shape: x.shape });
}

function everything(operands: readonly Tensor[], options: AttentionOptions, cotangent: Tensor): Record<string, Uint32Array> {
  const parameters = [options.score, ...[options.bias ?? []].flat()]
    .flatMap((term) => (term === undefined ? [] : "toTypedArray" in term ? [term as Tensor] : Object.values(term.parameters?.() ?? {})))
    .filter((x) => x.requiresGrad);
  const inputs = operands.map((x) => tensor(x.toTypedArray() as Float32Array, { shape: x.shape, requiresGrad: true }));
  for (const x of parameters) x.grad = null;
  const output = attention(inputs[0], inputs[1], inputs[2], options);
  sum(mul(output, cotangent)).backward();
  const bits = (x: Tensor) => new Uint32Array((x.toTypedArray() as Float32Array).slice().buffer);
  const [ofQuery, ofKey, ofValue] = inputs.map((x) => x.grad ?? zeros(x.shape));
  const all = { output, query: ofQuery, key: ofKey, value: ofValue };
  const found = Object.fromEntries(Object.entries(all).map(([name, x]) => [name, bits(x)]));
  parameters.forEach((x, i) => x.grad !== null && (found[`parameter ${i}`] = bits(x.grad)));
  return found;
}

describe.each(eachBackend())("on $name", ({ name, use }) => {
  const query = randomTensor([B, H, L, D], 1);
  const key = randomTensor([B, Hkv, S, D], 2);
  const value = randomTensor([B, Hkv, S, E], 3);
  const cotangent = randomTensor([B, H, L, E], 4);

  it.each(Object.keys(scores))(
    "poison where nobody may look changes no bit, whatever bias and normaliser: %s",
    { timeout: 120_000 },
    (score) =>
      use(() => {
        let turn = 0;
        for (const bias of Object.keys(biases)) {
          for (const normaliser of Object.keys(normalisers)) {
            turn++;
            // The plain loops take long: some of it.
            if (name === "reference" && turn % 11 !== 0) continue;
            const mask = turn % 3 === 0 && bias !== "grid" ? "ranges" : "tiles";
            const hidden = hiddenBy[mask];
            const options: AttentionOptions = {
              score: scores[score](),
              bias: biases[bias]() ?? [],
              normaliser: normalisers[normaliser],
              mask: masks[mask],
              queryOffset: hidden.queryOffset,
              ...(turn % 2 === 0 ? { softcap: 3 } : {}),
              dropoutP: turn % 4 === 1 ? 0.3 : 0,
              dropoutKey: randomKey(turn),
            };
            expect(explain(query, key, value, options).kernel).toBe("streaming");
            const clean = everything([query, key, value], options, cotangent);
            const dirty = everything(
              [poisoned(query, hidden.query), poisoned(key, hidden.key), poisoned(value, hidden.key)],
              options,
              cotangent,
            );
            for (const [what, bits] of Object.entries(clean)) {
              const different = bits.findIndex((one, at) => one !== dirty[what][at]);
              expect(different, `${bias}, ${normaliser}, ${mask}, turn ${turn}: ${what}`).toBe(-1);
            }
            if (normaliser === "softmax") expect(clean.output.some((one) => one !== 0)).toBe(true);
          }
        }
      }),
  );

  it.each([false, true])("under a mask an open pair with a row of −∞ is NaN, and no other row notices; learned: %s", (requiresGrad) =>
    use(() => {
      const [length, width, at] = [140, 4, 77];
      const shape = [1, 1, length, width];
      // Above zero, so that a key of −∞ has a score of −∞, which alone would be a weight of 0.
      const clean = [1, 2, 3].map((seed) =>
        (randomTensor(shape, seed).toTypedArray() as Float32Array).map((value) => 0.1 + Math.abs(value)),
      );
      const output = (operands: readonly Float32Array[]) => {
        const [q, k, v] = operands.map((values) => tensor(values, { shape, requiresGrad }));
        return attention(q, k, v, { mask: causal() }).toTypedArray() as Float32Array;
      };
      const expected = output(clean);
      for (const [which, hears] of [(i: number) => i === at, (i: number) => i >= at, (i: number) => i >= at].entries()) {
        const found = output(clean.map((values, n) => (n === which ? values.slice().fill(-Infinity, at * width, at * width + 1) : values)));
        for (let i = 0; i < length; i++) {
          const row = (x: Float32Array) => x.subarray(i * width, (i + 1) * width);
          expect(row(found), `operand ${which}, row ${i}`).toEqual(hears(i) ? row(expected).map(() => NaN) : row(expected));
        }
      }
    }),
  );
});
