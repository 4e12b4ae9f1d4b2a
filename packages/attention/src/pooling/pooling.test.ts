import { describe, expect, it } from "vitest";
import {
  concat,
  full,
  grad,
  indexSelect,
  max,
  mean,
  mul,
  randomKey,
  sigmoid,
  slice,
  softmax,
  sum,
  tanh,
  tensor,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { padding } from "@heed/masks";
import { expectModuleGradient } from "@heed/nn/testing";
import { AttentionPooling, maxPooling, SaliencyPooling, type PoolingCallOptions } from "../index.ts";
import { hard } from "../normalisers.ts";

const key = randomKey(7);
const [B, S, E] = [2, 5, 3];
const lengths = [5, 2];
const x = randomTensor([B, S, E], 1);
const alone = (b: number) => slice(slice(x, 0, b, b + 1), 1, 0, lengths[b]);
/** With rubbish where nothing counts. */
const dirty = concat([alone(0), concat([alone(1), full([1, 3, E], NaN)], 1)], 0);

const poolings: Readonly<Record<string, (x: Tensor, options?: PoolingCallOptions) => Tensor>> = {
  maxPooling,
  "gated SaliencyPooling": (at, options) => new SaliencyPooling(E, { key, hiddenDim: 4 }).forward(at, options),
  "SaliencyPooling of the most salient": (at, options) => new SaliencyPooling(E, { key, normaliser: hard() }).forward(at, options),
  "AttentionPooling by learned queries": (at, options) => new AttentionPooling(E, { key, numQueries: 2, numHeads: 3 }).forward(at, options),
  "AttentionPooling by the mean": (at, options) => new AttentionPooling(E, { key, query: "mean" }).forward(at, options),
};

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(Object.keys(poolings))("%s hears what counts alone, in whatever order", (name) =>
    use(() => {
      const pool = poolings[name];
      const masked = pool(dirty, { mask: padding(lengths) });
      [0, 1].forEach((b) => expectClose(slice(masked, 0, b, b + 1), pool(alone(b)), 1e-6));
      const order = tensor(Int32Array.of(3, 0, 4, 2, 1));
      expectClose(pool(indexSelect(x, order, 1)), pool(x), 1e-6);
    }),
  );
});

describe("maxPooling", () => {
  it("takes the greatest of each feature; nothing is 0", () => {
    expectClose(maxPooling(x), max(x, 1));
    expectClose(maxPooling(dirty, { mask: padding([5, 0]) }), concat([max(alone(0), 1), zeros([1, E])], 0));
    expectGradient((at) => maxPooling(at, { mask: padding(lengths) }), [x]);
    expect(() => maxPooling(zeros([2, 3]))).toThrow("maxPooling: x must be [B, S, E]; got x [2, 3]. Add the batch: unsqueeze(x, 0).");
    expect(() => maxPooling(x, { mask: padding([1]) })).toThrow("padding: there must be one length per sample");
    expect(() => maxPooling(x, { mask: zeros([S]) })).toThrow("maxPooling: a mask is boolean");
    expect(() => maxPooling(x, { mask: tensor(new Uint8Array(4), { shape: [4], dtype: "bool" }) })).toThrow(
      "mask must broadcast to [B, 1, 1, S]; got mask [4], B 2, S 5. Lengths are padding(lengths).",
    );
  });
});

describe("SaliencyPooling", () => {
  it.each([true, false])("is the paper's formula, gated %s", (gated) => {
    const pool = new SaliencyPooling(E, { key, hiddenDim: 4, gated });
    expect(Object.keys(pool.stateDict())).toEqual(
      ["v", ...(gated ? ["u"] : []), "w"].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    );
    const { output, weights } = pool.forward(x, { returnWeights: true });
    const hidden = tanh(pool.v.forward(x));
    const expected = softmax(pool.w.forward(pool.u === null ? hidden : mul(hidden, sigmoid(pool.u.forward(x)))), 1);
    expectClose(weights, expected.reshape([B, S]), 1e-6);
    expectClose(output, sum(mul(expected, x), 1), 1e-6);
    expectModuleGradient(pool, (module, at) => module.forward(at, { mask: padding(lengths) }), [x]);
  });

  it("gives parameters no gradient of what does not count, be it NaN", () => {
    const pool = new SaliencyPooling(E, { key });
    const gradient = grad((at: Tensor) => sum(pool.forward(at, { mask: padding(lengths) })));
    expect((gradient(dirty).toArray() as number[][][])[1].slice(2).flat()).toEqual(Array<number>(9).fill(0));
    sum(pool.forward(dirty, { mask: padding(lengths) })).backward();
    expect(Array.from(pool.v.weight.grad!.toTypedArray()).every(Number.isFinite)).toBe(true);
  });

  it("takes the most salient element by hard(), as it is", () => {
    const pool = new SaliencyPooling(E, { key, normaliser: hard() });
    const { output, weights } = pool.forward(x, { returnWeights: true });
    const rows = weights.toArray() as number[][];
    rows.forEach((row, b) => {
      expect(row.filter((w) => w === 1)).toHaveLength(1);
      expectClose(
        slice(output, 0, b, b + 1),
        slice(x, 0, b, b + 1)
          .slice(1, row.indexOf(1), row.indexOf(1) + 1)
          .reshape([1, E]),
      );
    });
    expect(() => new SaliencyPooling(0, { key })).toThrow("SaliencyPooling: embedDim and hiddenDim must be whole numbers, at least 1");
  });
});

describe("AttentionPooling", () => {
  it("asks by the mean of what counts", () => {
    const pool = new AttentionPooling(E, { key, query: "mean" });
    const { output, weights } = pool.forward(dirty, { mask: padding(lengths), returnWeights: true });
    expect([output.shape, weights.shape]).toEqual([
      [B, 1, E],
      [B, 1, 1, S],
    ]);
    [0, 1].forEach((b) =>
      expectClose(slice(output, 0, b, b + 1), pool.attn.forward(mean(alone(b), 1, { keepDims: true }), alone(b)), 1e-6),
    );
    expectModuleGradient(pool, (module, at) => module.forward(at, { mask: padding(lengths) }), [x]);
  });

  it("asks by learned queries", () => {
    const pool = new AttentionPooling(E, { key, numQueries: 2 });
    expect(Object.keys(pool.stateDict())[0]).toBe("query");
    expect(pool.forward(x).shape).toEqual([B, 2, E]);
    expectModuleGradient(pool, (module, at) => module.forward(at), [x]);
    expect(() => new AttentionPooling(E, { key, query: "mean", numQueries: 2 })).toThrow(
      'AttentionPooling: numQueries must be a whole number from 1 on; the mean is one; got numQueries 2, query "mean"',
    );
  });
});
