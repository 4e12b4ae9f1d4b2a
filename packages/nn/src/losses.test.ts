import { describe, expect, it } from "vitest";
import { cast, grad, sum, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "@heed/tensor/testing";
import { binaryCrossEntropyWithLogits, crossEntropy, l1Loss, meanSquaredError, smoothL1Loss, type LossOptions } from "./index.ts";

const losses = { mse: meanSquaredError, l1: l1Loss, smooth_l1: smoothL1Loss, bce_with_logits: binaryCrossEntropyWithLogits };
interface GoldenOptions {
  readonly kind: keyof typeof losses;
  readonly reduction: "mean" | "sum" | "none";
  readonly beta?: number;
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "loss" }))("agrees with $source on $name", (golden) =>
    use(() => {
      const { kind, reduction, beta } = golden.options as unknown as GoldenOptions;
      expectGolden(golden, ({ inputs: { x, target } }) => ({
        loss: losses[kind](x, target, { reduction, ...(beta === undefined ? {} : { beta }) }),
      }));
    }),
  );

  it("is accurate to float32 for logits of any size: sure and right, sure and wrong", () =>
    use(() => {
      const logits = tensor([20, -20, 20, -20, 1000, -1000, 0]);
      const target = tensor([1, 0, 0, 1, 1, 1, 0.5]);
      const small = Math.log1p(Math.exp(-20));
      expectClose(
        binaryCrossEntropyWithLogits(logits, target, { reduction: "none" }),
        [small, small, 20 + small, 20 + small, 0, 1000, Math.LN2],
        { rtol: 3e-7 },
      );
    }));
});

describe("losses", () => {
  const [x, target] = [randomTensor([3, 5], 1), randomTensor([3, 5], 2)];

  it("have the gradients of their central differences", () => {
    for (const reduction of ["mean", "sum", "none"] as const) {
      expectGradient((a, b) => meanSquaredError(a, b, { reduction }), [x, target], { second: true });
      expectGradient((a, b) => l1Loss(a, b, { reduction }), [x, randomTensor([3, 5], 2, { low: 2, high: 3 })]);
      expectGradient((a, b) => smoothL1Loss(a, b, { reduction, beta: 0.7 }), [x, target]);
      expectGradient((a) => binaryCrossEntropyWithLogits(a, cast(randomTensor([3, 5], 3, { low: 0 }), "float64"), { reduction }), [x], {
        second: true,
      });
    }
  });

  it("give targets of binary cross-entropy no gradient, and equal numbers none in l1", () => {
    const twice = (t: Tensor) => sum(binaryCrossEntropyWithLogits(t, t));
    expectClose(grad(twice)(x), grad((t: Tensor) => sum(binaryCrossEntropyWithLogits(t, x)))(x));
    expectClose(grad((t: Tensor) => l1Loss(t, x))(x), zeros([3, 5]));
  });

  it("say what is wrong", () => {
    const other = randomTensor([5]);
    for (const loss of Object.values(losses)) {
      const { name } = loss;
      expect(() => loss(x, other)).toThrow(
        `${name}: x and target must have one shape; got x [3, 5], target [5]. Reshape the target; losses do not broadcast.`,
      );
      expect(() => loss(x, cast(target, "float64"))).toThrow(`${name}: x and target must share a dtype`);
      expect(() => loss(x, target, { reduction: "average" } as unknown as LossOptions)).toThrow(
        `${name}: reduction is mean, sum or none; got reduction "average"`,
      );
    }
    expect(() => smoothL1Loss(x, target, { beta: 0 })).toThrow(/smoothL1Loss: beta must be above 0.*For beta = 0 use l1Loss/);
    expect(() => crossEntropy(x, tensor([1, 2, 7], { dtype: "int32" }))).toThrow(/crossEntropy: .*7/);
  });
});
