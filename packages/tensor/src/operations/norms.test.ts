import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { inFloat64 } from "../reference/in-float64.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { scope } from "../core/scope.ts";
import { add, mul } from "./arithmetic.ts";
import { batchNorm } from "./batch-norm.ts";
import { addLayerNorm, layerNorm } from "./layer-norm.ts";
import { mean, variance } from "./reductions.ts";
import { sum } from "./sum.ts";
import { rmsNorm } from "./rms-norm.ts";

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "layer_norm" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { axes, eps } = stored.options as { axes: number; eps: number };
      expectGolden(stored, ({ inputs: { x }, params: { weight, bias } }) => ({ y: layerNorm(x, { axes, eps, weight, bias }) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "rms_norm" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectGolden(stored, ({ inputs: { x }, params: { weight } }) => ({ y: rmsNorm(x, { weight, eps: stored.options.eps as number }) }));
    }),
  );

  it("batchNorm makes each channel have mean 0 and variance 1, and tells what they were", () =>
    use(() => {
      const x = randomTensor([3, 2, 5, 7], 1, { low: 2, high: 5 });
      const normal = batchNorm(x, { eps: 0 });
      expectClose(mean(normal.output, [0, 2, 3]), [0, 0], 1e-5);
      expectClose(variance(normal.output, [0, 2, 3], { correction: 0 }), [1, 1], 1e-5);
      expectClose(
        normal.mean,
        inFloat64((at) => mean(at, [0, 2, 3]), x),
        1e-5,
      );
      expectClose(
        normal.variance,
        inFloat64((at) => variance(at, [0, 2, 3], { correction: 0 }), x),
        1e-5,
      );
    }));

  it("batchNorm with given statistics is affine", () =>
    use(() => {
      const x = randomTensor([2, 3, 5], 1);
      const [weight, bias, mu] = [2, 3, 4].map((seed) => randomTensor([3], seed));
      const spread = randomTensor([3], 5, { low: 0.5, high: 2 });
      const y = batchNorm(x, { weight, bias, mean: mu, variance: spread, eps: 0.1 });
      const column = (v: typeof mu) => v.reshape([3, 1]);
      const root = tensor(Float32Array.from(spread.toTypedArray(), (v) => Math.sqrt(v + 0.1)));
      expectClose(y.output, x.sub(column(mu)).div(column(root)).mul(column(weight)).add(column(bias)), 1e-5);
      expectClose(y.mean, mu, 0);
    }));
});

describe("has the gradient of its central differences", () => {
  it("addLayerNorm, by its sum, its norm, and both", () => {
    const shapes = [[2, 3, 5], [2, 3, 5], [5], [5]];
    const tolerance = { second: true, tolerance: 1e-6 };
    expectGradient((x, residual, weight, bias) => addLayerNorm(x, residual, { weight, bias }), shapes, tolerance);
    expectGradient((x, residual, weight, bias) => addLayerNorm(x, residual, { weight, bias }).output, shapes, tolerance);
    expectGradient((x, residual) => addLayerNorm(x, residual).sum, shapes.slice(0, 2));
    expectGradient(
      (x, residual) => addLayerNorm(x.transpose(), residual),
      [
        [5, 3],
        [3, 5],
      ],
    );
  });

  it("layerNorm, whole and without weight or bias", () => {
    expectGradient((x, weight, bias) => layerNorm(x, { weight, bias }), [[2, 3, 5], [5], [5]], { second: true, tolerance: 1e-6 });
    expectGradient((x) => layerNorm(x), [[3, 5]], { second: true, tolerance: 1e-6 });
    expectGradient((x, weight) => layerNorm(x.transpose(), { weight }), [[5, 3], [5]]);
    expectGradient((x, bias) => layerNorm(x, { bias }), [[3, 5], [5]]);
    expectGradient(
      (x, weight, bias) => layerNorm(x, { axes: 2, weight, bias, eps: 0.1 }),
      [
        [2, 3, 5],
        [3, 5],
        [3, 5],
      ],
    );
  });
  it("rmsNorm, with and without weight", () => {
    expectGradient((x, weight) => rmsNorm(x, { weight }), [[2, 3, 5], [5]], { second: true, tolerance: 1e-6 });
    expectGradient((x) => rmsNorm(x.transpose(), { eps: 0.1 }), [[5, 3]], { second: true });
  });
  it("batchNorm in training and in evaluation", () => {
    expectGradient((x, weight, bias) => batchNorm(x, { weight, bias }).output, [[3, 2, 5], [2], [2]], { second: true, tolerance: 1e-6 });
    expectGradient((x) => batchNorm(x).output, [[7, 2]], { tolerance: 1e-6 });
    const [mu, spread] = [randomTensor([2], 8, { dtype: "float64" }), randomTensor([2], 9, { low: 0.5, high: 2, dtype: "float64" })];
    expectGradient((x, weight, bias) => batchNorm(x, { weight, bias, mean: mu, variance: spread }).output, [[3, 2, 5], [2], [2]], {
      second: true,
    });
  });
});

describe("edges", () => {
  it("a constant row becomes the bias", () => {
    expectClose(layerNorm(tensor([[3, 3, 3]]), { bias: tensor([1, 2, 3]) }), [[1, 2, 3]], 0);
  });
  it("no rows give no rows, and parameters gradient 0", () => {
    const weight = zeros([3], { requiresGrad: true });
    const y = layerNorm(zeros([0, 3]), { weight });
    y.backward(zeros([0, 3]));
    expect(y.shape).toEqual([0, 3]);
    expect(weight.grad!.toArray()).toEqual([0, 0, 0]);
  });
});

it("says which shape or dtype does not fit", () => {
  const x = zeros([2, 3]);
  expect(() => layerNorm(x, { weight: zeros([2]) })).toThrow(
    /layerNorm: weight must have the shape of the normalised axes; got weight \[2\], expected \[3\]/,
  );
  expect(() => layerNorm(x, { axes: 3 })).toThrow(/layerNorm: axes counts the last axes/);
  expect(() => rmsNorm(x, { weight: zeros([3], { dtype: "float64" }) })).toThrow(/rmsNorm: dtypes must agree/);
  expect(() => batchNorm(zeros([2]))).toThrow(/batchNorm: x must be \[B, C, ...\]/);
  expect(() => batchNorm(x, { mean: zeros([3]) })).toThrow(/batchNorm: mean and variance come together/);
});

describe.each(eachBackend())("addLayerNorm on $name", ({ use }) => {
  it("is the sum and its norm, to the bit, with the same gradients", () =>
    use(() => {
      const run = (fused: boolean) => {
        const [x, residual, weight, bias] = [[3, 7], [3, 7], [7], [7]].map((shape, seed) =>
          randomTensor(shape, seed, { requiresGrad: true }),
        );
        const both = () => {
          const total = add(x, residual);
          return { sum: total, output: layerNorm(total, { weight, bias }) };
        };
        const { sum: total, output } = fused ? addLayerNorm(x, residual, { weight, bias }) : both();
        add(sum(mul(output, randomTensor([3, 7], 8))), sum(mul(total, randomTensor([3, 7], 9)))).backward();
        return [total, output, x.grad!, residual.grad!, weight.grad!, bias.grad!].map((found) => found.toArray());
      };
      expect(run(true)).toEqual(run(false));
      scope(() => expect(run(true)).toEqual(run(false)));
    }));

  it("refuses shapes that differ", () => {
    expect(() => addLayerNorm(zeros([2, 3]), zeros([3]))).toThrow(
      /addLayerNorm: x and residual must have one shape; got x \[2, 3\], residual \[3\]/,
    );
  });
});
