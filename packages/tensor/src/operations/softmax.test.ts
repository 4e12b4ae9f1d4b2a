import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { inFloat64 } from "../reference/in-float64.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { crossEntropy, type CrossEntropyOptions } from "./cross-entropy.ts";
import { sum } from "./sum.ts";
import { logSoftmax, softmax } from "./softmax.ts";

interface Stored {
  readonly reduction: CrossEntropyOptions["reduction"];
  readonly label_smoothing: number;
  readonly ignore_index: number | null;
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: ["softmax", "log_softmax"] }))("agrees with $source on $name", (stored) =>
    use(() => {
      const f = stored.op === "softmax" ? softmax : logSoftmax;
      expectGolden(stored, ({ inputs: { x } }) => ({ y: f(x, stored.options.axis as number) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "cross_entropy" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { reduction, label_smoothing, ignore_index } = stored.options as unknown as Stored;
      expectGolden(stored, ({ inputs: { logits, target } }) => ({
        loss: crossEntropy(logits, target, { reduction, labelSmoothing: label_smoothing, ignoreIndex: ignore_index ?? undefined }),
      }));
    }),
  );

  it("sums to one along any axis of any layout, as the float64 reference", () =>
    use(() => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
          fc.integer({ min: -3, max: 2 }),
          fc.boolean(),
          fc.nat(9),
          (shape, axis, reversed, seed) => {
            fc.pre(axis >= -shape.length && axis < shape.length);
            const x = reversed
              ? randomTensor([...shape].reverse(), seed, { low: -20, high: 20 }).permute(shape.map((_, i) => i).reverse())
              : randomTensor(shape, seed, { low: -20, high: 20 });
            const y = softmax(x, axis);
            expectClose(sum(y, axis), sum(y, axis).mul(0).add(1), 8 * 2 ** -24);
            expectClose(
              y,
              inFloat64((at) => softmax(at, axis), x),
              16 * 2 ** -24,
            );
          },
        ),
        { numRuns: 40, seed: 1 },
      );
    }));
});

describe("has the gradient of its central differences", () => {
  it.each([-1, 0, 1])("softmax along axis %j", (axis) => expectGradient((x) => softmax(x, axis), [[2, 3, 5]], { second: true }));
  it.each([-1, 0, 1])("logSoftmax along axis %j", (axis) => expectGradient((x) => logSoftmax(x, axis), [[2, 3, 5]], { second: true }));
  it.each<CrossEntropyOptions>([
    {},
    { reduction: "none" },
    { reduction: "sum", labelSmoothing: 0.2 },
    { ignoreIndex: 2, labelSmoothing: 0.1 },
  ])("crossEntropy with %j", (options) => {
    const target = tensor(
      [
        [0, 4, 2],
        [2, 1, 3],
      ],
      { dtype: "int32" },
    );
    expectGradient((logits) => crossEntropy(logits, target, options), [[2, 3, 5]], { second: true });
  });
});

describe("edges", () => {
  it("huge logits do not overflow, tiny probabilities are 0", () => {
    expect(softmax(tensor([1e30, 0, -1e30])).toArray()).toEqual([1, 0, 0]);
    expectClose(logSoftmax(tensor([1000, 0])), [0, -1000], 0);
    expectClose(crossEntropy(tensor([[1000, 0]]), tensor([1], { dtype: "int32" })), 1000, 0);
  });
  it("a row that is −∞ throughout gives zeros, and gradient 0", () => {
    const x = tensor(
      [
        [-Infinity, -Infinity],
        [0, -Infinity],
      ],
      { requiresGrad: true },
    );
    const y = softmax(x);
    expect(y.toArray()).toEqual([
      [0, 0],
      [1, 0],
    ]);
    y.backward(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    );
    expect(x.grad!.toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });
  it("a row of one element is 1, of none empty", () => {
    expect(softmax(tensor([[7], [-7]])).toArray()).toEqual([[1], [1]]);
    expect(softmax(zeros([2, 0])).shape).toEqual([2, 0]);
  });
  it("NaN makes its row NaN, and no other", () => {
    const y = softmax(
      tensor([
        [NaN, 0],
        [0, 0],
      ]),
    ).toArray();
    expect(y).toEqual([
      [NaN, NaN],
      [0.5, 0.5],
    ]);
  });
  it("ignoring every position gives a mean of NaN and a sum of 0", () => {
    const target = tensor([3, 3], { dtype: "int32" });
    expect(crossEntropy(zeros([2, 4]), target, { ignoreIndex: 3 }).item()).toBeNaN();
    expect(crossEntropy(zeros([2, 4]), target, { ignoreIndex: 3, reduction: "sum" }).item()).toBe(0);
  });
});

it("says which target, shape or option does not fit", () => {
  const target = (...values: number[]) => tensor(values, { dtype: "int32" });
  expect(() => crossEntropy(zeros([2, 3]), target(0, 3))).toThrow(
    /crossEntropy: targets must be classes, from 0 to C - 1; got target 3, position 1, C 3.*ignoreIndex/,
  );
  expect(() => crossEntropy(zeros([2, 3]), target(0))).toThrow(
    /crossEntropy: target must have the shape of logits.*logits \[2, 3\], target \[1\]/,
  );
  expect(() => crossEntropy(zeros([2, 3]), tensor([0, 1]))).toThrow(/crossEntropy: target must be int32; got target "float32"/);
  expect(() => crossEntropy(zeros([1, 3]), target(0), { labelSmoothing: 2 })).toThrow(/labelSmoothing must be from 0 to 1/);
  expect(() => softmax(zeros([2]), 1)).toThrow(/softmax: axis must be an integer/);
  expect(() => softmax(tensor([1], { dtype: "int32" }))).toThrow(/softmax: works on float32 and float64/);
});
