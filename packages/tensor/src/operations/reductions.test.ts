import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import type { Tensor } from "../core/tensor.ts";
import { inFloat64 } from "../reference/in-float64.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { cumsum } from "./cumsum.ts";
import { all, any } from "./logical.ts";
import { argmax, argmin, logSumExp, max, mean, min, norm, std, variance, type Axes, type ReduceOptions } from "./reductions.ts";
import { sum } from "./sum.ts";
import { topK } from "./top-k.ts";

interface Stored {
  readonly fn: "sum" | "mean" | "var" | "std" | "max" | "min" | "norm" | "argmax" | "argmin";
  readonly axes: number[] | null;
  readonly axis: number;
  readonly keepdim: boolean;
  readonly correction?: number;
  readonly k: number;
  readonly largest: boolean;
}

type Reduction = (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor;
const reductions: Readonly<Record<string, Reduction>> = { sum, mean, variance, std, max, min, norm, logSumExp };

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "reduce" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { fn, axes, keepdim, correction } = stored.options as unknown as Stored;
      const reduce = fn === "var" ? variance : reductions[fn];
      expectGolden(stored, ({ inputs: { x } }) => ({
        y: reduce(x, axes ?? undefined, { keepDims: keepdim, ...(correction !== undefined && { correction }) }),
      }));
    }),
  );

  it.each(loadGolden("tensor", { op: "arg_reduce" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { fn, axis, keepdim } = stored.options as unknown as Stored;
      expectGolden(stored, ({ inputs: { x } }) => ({ y: (fn === "argmax" ? argmax : argmin)(x, axis, { keepDims: keepdim }) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "logsumexp" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { axis, keepdim } = stored.options as unknown as Stored;
      expectGolden(stored, ({ inputs: { x } }) => ({ y: logSumExp(x, axis, { keepDims: keepdim }) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "cumsum" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectGolden(stored, ({ inputs: { x } }) => ({ y: cumsum(x, stored.options.axis as number) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "topk" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { k, axis, largest } = stored.options as unknown as Stored;
      expectGolden(stored, ({ inputs: { x } }) => ({ ...topK(x, k, { axis, largest }) }));
    }),
  );

  it.each(Object.entries(reductions))("%s agrees with the float64 reference over any axes of any layout", (_, reduce) =>
    use(() => {
      const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(lengths, fc.nat(15), fc.boolean(), fc.boolean(), fc.nat(9), (shape, bits, reversed, keepDims, seed) => {
          const axes = shape.flatMap((__, axis) => (bits & (1 << axis) ? [axis - shape.length] : []));
          const order = shape.map((__, axis) => axis).reverse();
          const x = reversed ? randomTensor([...shape].reverse(), seed).permute(order) : randomTensor(shape, seed);
          const options = { keepDims, correction: 0 };
          const y = reduce(x, axes, options);
          expect(y.shape).toEqual(shape.flatMap((length, axis) => (bits & (1 << axis) ? (keepDims ? [1] : []) : [length])));
          // At most 625 terms in [-1, 1): eps times the terms bounds a sum; roots of it are below √ of 24 bits.
          expectClose(
            y,
            inFloat64((at: Tensor) => reduce(at, axes, options), x),
            reduce === std ? 625 * 2 ** -24 + 2 ** -12 : 625 * 2 ** -24,
          );
        }),
        { numRuns: 40, seed: 1 },
      );
    }),
  );
});

describe("has the gradient of its central differences", () => {
  const smooth = { ...reductions, "variance of a population": (x: Tensor, axes?: Axes) => variance(x, axes, { correction: 0 }) };
  it.each(
    Object.entries(smooth).flatMap(([name, reduce]) => [undefined, 1, [0, 2], [-1, -2]].map((axes) => [name, axes, reduce] as const)),
  )("%s over axes %j", (_, axes, reduce) => {
    expectGradient((x) => reduce(x, axes), [[2, 3, 5]], { second: true });
  });

  it("cumsum", () => expectGradient((x) => cumsum(x, 1), [[2, 5, 3]], { second: true }));
  it("topK", () => expectGradient((x) => topK(x, 2, { axis: 0 }).values, [[5, 3]], { second: true }));
  it("reductions of a permuted view", () => expectGradient((x) => mean(x.permute([2, 0, 1]), [0, 1]), [[2, 3, 5]]));
});

describe("edges", () => {
  it("sums of nothing are 0, means NaN, and nothing has no largest", () => {
    expect(sum(zeros([0, 3]), 0).toArray()).toEqual([0, 0, 0]);
    expect(mean(zeros([0]), 0).item()).toBeNaN();
    expect(logSumExp(zeros([2, 0]), 1).toArray()).toEqual([-Infinity, -Infinity]);
    expect(() => max(zeros([0, 3]), 0)).toThrow(/max: there must be an element to choose; got shape \[0, 3\], axes \[0\]/);
    expect(() => argmin(zeros([2, 0]), 1)).toThrow(/argmin: there must be an element to choose/);
    expect(max(zeros([0, 3]), 1).shape).toEqual([0]);
  });

  it("an empty list of axes reduces nothing", () => {
    const x = tensor([[3, -4]]);
    expect(sum(x, []).toArray()).toEqual([[3, -4]]);
    expect(norm(x, []).toArray()).toEqual([[3, 4]]);
  });

  it("a scalar reduces to itself", () => {
    expect(sum(tensor(3)).item()).toBe(3);
    expect(argmax(tensor(3)).item()).toBe(0);
  });

  it("argmax without an axis counts in the flattened tensor, and takes the first of equal ones", () => {
    expect(
      argmax(
        tensor([
          [1, 5],
          [5, 0],
        ]),
      ).item(),
    ).toBe(1);
    expect(
      argmin(
        tensor([
          [1, 5],
          [5, 0],
        ]),
      ).item(),
    ).toBe(3);
  });

  it("NaN wins over every number, in max, min, argmax and topK", () => {
    const x = tensor([1, NaN, Infinity]);
    expect(max(x).item()).toBeNaN();
    expect(min(x).item()).toBeNaN();
    expect(argmax(x).item()).toBe(1);
    expect(topK(x, 3).indices.toArray()).toEqual([1, 2, 0]);
    expect(topK(x, 3, { largest: false }).indices.toArray()).toEqual([0, 2, 1]);
  });

  it("elements that tie for the largest share its gradient evenly", () => {
    const x = tensor([2, 1, 2], { requiresGrad: true });
    max(x).backward();
    expect(x.grad!.toArray()).toEqual([0.5, 0, 0.5]);
  });

  it("the norm of zeros has gradient 0", () => {
    const x = zeros([3], { requiresGrad: true });
    norm(x).backward();
    expect(x.grad!.toArray()).toEqual([0, 0, 0]);
  });

  it("logSumExp neither overflows nor loses a row of −∞", () => {
    const x = tensor(
      [
        [1000, 1000],
        [-Infinity, -Infinity],
        [-Infinity, 3],
      ],
      { requiresGrad: true },
    );
    const y = logSumExp(x, 1);
    expectClose(y, [1000 + Math.LN2, -Infinity, 3], 1e-4);
    y.backward(tensor([1, 1, 1]));
    expectClose(
      x.grad!,
      [
        [0.5, 0.5],
        [0, 0],
        [0, 1],
      ],
      1e-6,
    );
  });

  it("a variance of no more elements than its correction is NaN, or ∞ where they differ", () => {
    expect(variance(zeros([0])).item()).toBeNaN();
    expect(variance(tensor([3])).item()).toBeNaN();
    expect(std(zeros([2, 0]), 1).toArray()).toEqual([NaN, NaN]);
    expect(variance(tensor([1, 2]), 0, { correction: 3 }).item()).toBe(Infinity);
  });

  it("a variance far from 0 keeps its digits", () => {
    expectClose(variance(tensor([10000, 10001, 10002])), 1, 1e-5);
  });

  it("any and all, over nothing too", () => {
    const x = tensor([
      [true, false],
      [true, true],
    ]);
    expect(any(x).item()).toBe(1);
    expect(all(x, 0).toArray()).toEqual([true, false]);
    expect(any(x.transpose(), 1, { keepDims: true }).toArray()).toEqual([[true], [true]]);
    expect(any(zeros([0], { dtype: "bool" })).toArray()).toBe(false);
    expect(all(zeros([0], { dtype: "bool" })).toArray()).toBe(true);
    expect(() => any(tensor([1]))).toThrow(/any: works on bool; got x "float32"/);
  });
});

it("says which axis or dtype does not fit", () => {
  const x = zeros([2, 3]);
  expect(() => sum(x, 2)).toThrow(/sum: axis must be an integer from -2 to 1; got axis 2, rank 2/);
  expect(() => sum(x, [0, -2])).toThrow(/sum: axes must be distinct/);
  expect(() => mean(tensor([1], { dtype: "int32" }))).toThrow(/mean: works on float32 and float64/);
  expect(() => topK(x, 4)).toThrow(/topK: k must be an integer from 0 to the length of the axis; got k 4/);
});
