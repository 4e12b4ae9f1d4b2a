import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { eachBackend, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { adaptiveAvgPool2d, avgPool2d } from "./avg-pool2d.ts";
import { maxPool2d } from "./max-pool2d.ts";
import { mean } from "./reductions.ts";
import { transpose } from "./views.ts";

type Pair = [number, number];
interface Options {
  kernel: Pair;
  stride: Pair;
  padding: Pair;
  count_include_pad: boolean;
  size: Pair;
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("vision-patches", { op: ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"] }))(
    "agrees with $source on $name",
    (golden) => {
      const { kernel: kernelSize, stride, padding, count_include_pad: countIncludePad, size } = golden.options as unknown as Options;
      use(() =>
        expectGolden(golden, ({ inputs: { x } }) => {
          if (golden.op === "max_pool2d") return { y: maxPool2d(x, { kernelSize, stride, padding }) };
          return {
            y: golden.op === "avg_pool2d" ? avgPool2d(x, { kernelSize, stride, padding, countIncludePad }) : adaptiveAvgPool2d(x, size),
          };
        }),
      );
    },
  );
});

describe("pooling", () => {
  it("has the gradients of its central differences, second ones too", () => {
    // Distinct multiples of 0.05 in a scrambled order: a maximum keeps its place under a small step.
    const apart = tensor(
      Float64Array.from({ length: 2 * 3 * 5 * 7 }, (_, i) => ((i * 97) % 211) * 0.05),
      { shape: [2, 3, 5, 7] },
    );
    expectGradient((x) => maxPool2d(x, { kernelSize: [3, 2], stride: [2, 1], padding: [1, 1] }), [apart], { second: true });
    expectGradient((x) => maxPool2d(x, { kernelSize: 2 }), [apart]);
    for (const countIncludePad of [true, false])
      expectGradient((x) => avgPool2d(x, { kernelSize: 3, stride: [2, 3], padding: 1, countIncludePad }), [[1, 2, 5, 4]], { second: true });
    expectGradient((x) => adaptiveAvgPool2d(x, [3, 2]), [[2, 1, 4, 5]], { second: true });
  });

  it("gives the gradient of equal pixels to the first of them", () => {
    const x = tensor(
      [
        [
          [
            [1, 1],
            [1, 1],
          ],
        ],
      ],
      { requiresGrad: true },
    );
    maxPool2d(x, { kernelSize: 2 }).backward(tensor([[[[3]]]]));
    expect(x.grad!.toArray()).toEqual([
      [
        [
          [3, 0],
          [0, 0],
        ],
      ],
    ]);
  });

  it("lets NaN win, reads views, and takes empty batches", () => {
    expect(
      maxPool2d(
        tensor([
          [
            [
              [1, Number.NaN],
              [5, 2],
            ],
          ],
        ]),
        { kernelSize: 2 },
      ).item(),
    ).toBeNaN();
    const x = randomTensor([1, 2, 4, 6], 1);
    expect(maxPool2d(transpose(x), { kernelSize: 2 }).toArray()).toEqual(transpose(maxPool2d(x, { kernelSize: 2 })).toArray());
    expect(avgPool2d(zeros([0, 3, 4, 4]), { kernelSize: 2 }).shape).toEqual([0, 3, 2, 2]);
    expect(maxPool2d(zeros([0, 3, 4, 4]), { kernelSize: 2 }).shape).toEqual([0, 3, 2, 2]);
  });

  it("over one bin is the mean", () => {
    const x = randomTensor([2, 3, 5, 4], 1, { dtype: "float64" });
    const [pooled, means] = [adaptiveAvgPool2d(x, 1).toTypedArray(), mean(x, [2, 3]).toTypedArray()];
    pooled.forEach((value: number, i: number) => expect(value).toBeCloseTo(means[i], 12));
  });

  it("refuses windows that do not fit", () => {
    const x = zeros([1, 1, 4, 4]);
    expect(() => maxPool2d(x, { kernelSize: 5 })).toThrow(
      "maxPool2d: windows must not be larger than the padded image; got x [1, 1, 4, 4], kernelSize [5, 5], padding [0, 0].",
    );
    expect(() => avgPool2d(x, { kernelSize: 2, padding: 2 })).toThrow("avgPool2d: padding must be at most half the kernel");
    expect(() => maxPool2d(zeros([4, 4]), { kernelSize: 2 })).toThrow("maxPool2d: x must be [B, C, H, W]");
    expect(() => adaptiveAvgPool2d(zeros([1, 1, 0, 4]), 1)).toThrow("adaptiveAvgPool2d: an image needs at least one pixel");
    expect(() => maxPool2d(zeros([1, 1, 4, 4], { dtype: "int32" }), { kernelSize: 2 })).toThrow("maxPool2d: works on float32 and float64");
  });
});
