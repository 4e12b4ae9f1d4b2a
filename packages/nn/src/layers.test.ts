import { describe, expect, it } from "vitest";
import { add, linear, normal, randomKey, ShapeError, sum, tensor, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { BatchNorm2d, Dropout, Embedding, FeedForward, LayerNorm, Linear, predict, RMSNorm, training } from "./index.ts";
import { expectModuleGradient } from "./testing.ts";

const key = randomKey(7);
const [B, L, D, E] = [2, 3, 5, 7];

describe("gradients of", () => {
  it("Linear, with bias and without", () => {
    expectModuleGradient(new Linear(D, E, { key }), (layer, x) => layer.forward(x), [[B, L, D]]);
    expectModuleGradient(new Linear(D, E, { key, bias: false }), (layer, x) => layer.forward(x), [[D]]);
  });

  it("Embedding, where ids repeat", () => {
    const ids = tensor(
      [
        [4, 0, 4],
        [1, 4, 0],
      ],
      { dtype: "int32" },
    );
    expectModuleGradient(new Embedding(E, D, { key }), (table) => table.forward(ids), []);
  });

  it("LayerNorm over one axis and two, affine and not, and RMSNorm", () => {
    expectModuleGradient(new LayerNorm(D), (norm, x) => norm.forward(x), [[B, D]]);
    expectModuleGradient(new LayerNorm([L, D]), (norm, x) => norm.forward(x), [[B, L, D]]);
    expectModuleGradient(new LayerNorm(D, { affine: false, eps: 0.1 }), (norm, x) => norm.forward(x), [[B, D]]);
    expectModuleGradient(new LayerNorm(D, { bias: false }), (norm, x) => norm.forward(x), [[B, D]]);
    expectModuleGradient(new RMSNorm(D), (norm, x) => norm.forward(x), [[B, L, D]]);
  });

  it("BatchNorm2d, in training and in evaluation", () => {
    const images = [[B, L, 2, 2]];
    expectModuleGradient(new BatchNorm2d(L), (norm, x) => training(key, () => norm.forward(x)), images);
    expectModuleGradient(new BatchNorm2d(L), (norm, x) => norm.forward(x), images);
  });

  it("FeedForward, with each smooth activation and dropout", () => {
    for (const activation of ["gelu", "silu"] as const) {
      expectModuleGradient(new FeedForward(D, E, { key, activation, dropoutP: 0.3 }), (ff, x) => training(key, () => ff.forward(x)), [
        [B, D],
      ]);
    }
    // Away from the kink of relu: what enters it must not be near 0.
    const ff = new FeedForward(2, 3, { key, activation: "relu" });
    ff.loadStateDict({ ...ff.stateDict(), "fc1.bias": tensor([5, -5, 5]) });
    expectModuleGradient(ff, (module, x) => module.forward(x), [[B, 2]]);
  });
});

describe.each(eachBackend())("on $name", ({ use }) => {
  it("Linear is linear(x, weight, bias) over the last axis", () =>
    use(() => {
      const layer = new Linear(D, E, { key });
      const x = randomTensor([B, L, D], 1);
      expectClose(layer.forward(x), linear(x, layer.weight, layer.bias!));
      expect(layer.forward(x).shape).toEqual([B, L, E]);
    }));

  it("BatchNorm2d follows the batch's mean and unbiased variance in training, and uses them in evaluation", () =>
    use(() => {
      const norm = new BatchNorm2d(2, { momentum: 0.25, eps: 0 });
      const x = tensor([
        [[[1, 3]], [[0, 0]]],
        [[[5, 7]], [[0, 8]]],
      ]); // [2, 2, 1, 2]: channel 0 holds 1 3 5 7, channel 1 holds 0 0 0 8
      const y = training(key, () => norm.forward(x));
      // Means 4 and 2; biased variances 5 and 12, unbiased 20/3 and 16.
      expectClose(norm.running_mean, [0.25 * 4, 0.25 * 2], 1e-6);
      expectClose(norm.running_var, [0.75 + 0.25 * (20 / 3), 0.75 + 0.25 * 16], 1e-6);
      expectClose(
        y,
        [
          [[[-3 / Math.sqrt(5), -1 / Math.sqrt(5)]], [[-2 / Math.sqrt(12), -2 / Math.sqrt(12)]]],
          [[[1 / Math.sqrt(5), 3 / Math.sqrt(5)]], [[-2 / Math.sqrt(12), 6 / Math.sqrt(12)]]],
        ],
        1e-6,
      );
      const [mean, variance] = [norm.running_mean.toArray(), norm.running_var.toArray()] as [number[], number[]];
      expectClose(
        predict(norm, tensor([[[[1]], [[2]]]])),
        [[[[(1 - mean[0]) / Math.sqrt(variance[0])]], [[(2 - mean[1]) / Math.sqrt(variance[1])]]]],
        1e-6,
      );
      expect(norm.running_mean.toArray()).toEqual(mean);
    }));
});

describe("layers", () => {
  it("start as PyTorch's do: uniform within 1/√inFeatures, normal tables, ones and zeros", () => {
    const { weight, bias } = new Linear(100, 50, { key });
    for (const parameter of [weight, bias!]) {
      const values = Array.from(parameter.toTypedArray());
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.1);
      expect(Math.max(...values)).toBeGreaterThan(0.08);
      expect(Math.min(...values)).toBeLessThan(-0.08);
    }
    expect(new Linear(3, 2, { key, biasInit: "zeros", init: (at, shape) => normal(at, shape) }).bias!.toArray()).toEqual([0, 0]);
    const table = Array.from(new Embedding(100, 100, { key }).weight.toTypedArray());
    expect(table.reduce((total, value) => total + value * value, 0) / table.length).toBeCloseTo(1, 1);
    expect([new LayerNorm(2).weight!.toArray(), new LayerNorm(2).bias!.toArray(), new RMSNorm(2).weight.toArray()]).toEqual([
      [1, 1],
      [0, 0],
      [1, 1],
    ]);
  });

  it("draw the same from the same key, and other numbers for each parameter", () => {
    const [a, b] = [new FeedForward(4, 4, { key }), new FeedForward(4, 4, { key })];
    expect(a.fc1.weight.toArray()).toEqual(b.fc1.weight.toArray());
    expect(a.fc1.weight.toArray()).not.toEqual(a.fc2.weight.toArray());
  });

  it("keep the padding row of a table at 0, without gradient", () => {
    const table = new Embedding(3, 2, { key, paddingIdx: 1 });
    expect((table.weight.toArray() as number[][])[1]).toEqual([0, 0]);
    sum(table.forward(tensor([1, 1, 2], { dtype: "int32" }))).backward();
    expect(table.weight.grad!.toArray()).toEqual([
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
  });

  it("carry timm's and PyTorch's names", () => {
    expect(Object.keys(new FeedForward(2, 3, { key }).stateDict())).toEqual(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
    expect(Object.keys(new BatchNorm2d(2).stateDict())).toEqual(["weight", "bias", "running_mean", "running_var"]);
  });

  it("say what is wrong, before any work", () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => new Linear(0, 3, { key }), /Linear: inFeatures must be a whole number, at least 1; got inFeatures 0/],
      [() => new Linear(2, 2.5, { key }), /Linear: outFeatures/],
      [() => new Linear(4, 3, { key }).forward(randomTensor([2, 5])), /linear: .*\[2, 5\].*\[3, 4\]/],
      [
        () => new Embedding(3, 2, { key, paddingIdx: 3 }),
        /Embedding: paddingIdx must be a row of the table; got paddingIdx 3, numEmbeddings 3/,
      ],
      [() => new Embedding(3, 2, { key }).forward(tensor([3], { dtype: "int32" })), /embedding: .*3/],
      [() => new LayerNorm([2, 0]), /LayerNorm: length 1 must be a whole number/],
      [() => new Dropout(1), /Dropout: p must be in \[0, 1\); got p 1/],
      [
        () => new FeedForward(2, 2, { key, activation: "tanh" as "relu" }),
        /FeedForward: activation is gelu, relu, silu; got activation "tanh"/,
      ],
      [() => new BatchNorm2d(3).forward(randomTensor([2, 4, 2, 2])), /batchNorm: /],
    ];
    for (const [call, message] of wrong) expect(call).toThrow(message);
    expect(() => new LayerNorm(4).forward(randomTensor([2, 5]))).toThrow(ShapeError);
  });
});

describe("Dropout", () => {
  const x = add(randomTensor([64, 64], 1, { awayFromZero: 0.1 }), 0);
  const dropped = (y: Tensor) => Array.from(y.toTypedArray(), (value) => value === 0);

  it("is the identity outside training, and at p = 0", () => {
    expect(new Dropout(0.5).forward(x)).toBe(x);
    expect(training(key, () => new Dropout(0).forward(x))).toBe(x);
  });

  it("drops a share p and scales the rest by 1 / (1 − p)", () => {
    const y = training(key, () => new Dropout(0.25).forward(x));
    const zeros = dropped(y);
    const share = zeros.filter(Boolean).length / zeros.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / 4096)); // five deviations of a binomial share
    const given = x.toTypedArray();
    expectClose(
      y.toTypedArray(),
      Float32Array.from(zeros, (zero, i) => (zero ? 0 : given[i] * Math.fround(1 / 0.75))),
    );
  });
});
