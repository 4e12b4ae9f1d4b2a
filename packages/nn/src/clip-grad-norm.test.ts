import { describe, expect, it } from "vitest";
import { mul, resident, scope, sum, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, loadGolden } from "@heed/tensor/testing";
import { clipGradNorm } from "./index.ts";

function withGradients(gradients: readonly Tensor[]): Tensor[] {
  return gradients.map((gradient) => {
    const parameter = zeros(gradient.shape, { requiresGrad: true });
    sum(mul(parameter, gradient)).backward();
    return parameter;
  });
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "clip_grad_norm" }))(
    "agrees with $source on $name: plain, in a scope, and resident",
    ({ inputs, outputs, options, toleranceOf }) =>
      use(() => {
        const { max_norm: maxNorm, norm_type: normType } = options as unknown as { max_norm: number; norm_type: 1 | 2 | "inf" };
        const check = () => {
          const parameters = withGradients(Object.values(inputs));
          expectClose(clipGradNorm(parameters, maxNorm, { normType }), outputs.norm, toleranceOf("output.norm"));
          parameters.forEach(({ grad }, i) => expectClose(grad!, outputs[`g${i}`], toleranceOf(`output.g${i}`)));
          return parameters;
        };
        const parameters = check();
        scope(() => void check());
        const owner = resident(parameters);
        clipGradNorm(parameters, 0.5, { normType });
        // The divisor is the norm + 1e-6, so what is left is a little below 0.5.
        expectClose(clipGradNorm(parameters, 1, { normType }), 0.5, 1e-5);
        owner.release();
      }),
  );
});

describe("clipGradNorm", () => {
  it("passes over parameters without a gradient and without elements, and leaves short gradients alone", () => {
    const [a, b] = withGradients([tensor([3, 4]), zeros([0, 2])]);
    const bare = zeros([2], { requiresGrad: true });
    expect(clipGradNorm([a, bare, b], 6)).toBeCloseTo(5, 6);
    expect(a.grad!.toArray()).toEqual([3, 4]);
    expect(bare.grad).toBe(null);
    expect(clipGradNorm([bare], 1)).toBe(0);
  });

  it("leaves gradients as they are where the norm is NaN", () => {
    const [a] = withGradients([tensor([NaN, 4])]);
    expect(clipGradNorm([a], 1)).toBeNaN();
    expect(a.grad!.toArray()).toEqual([NaN, 4]);
  });

  it("says what is wrong", () => {
    expect(() => clipGradNorm([], 0)).toThrow(/clipGradNorm: maxNorm must be above 0; got maxNorm 0/);
    expect(() => clipGradNorm([], 1, { normType: 3 as 2 })).toThrow(/normType is 1, 2 or "inf"/);
  });
});
