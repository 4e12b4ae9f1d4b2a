import { describe, expect, it } from "vitest";
import { full, tensor, zeros } from "../core/construct.ts";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { interpolate } from "./interpolate.ts";

interface Options {
  size: [number, number];
  mode: "nearest" | "bilinear" | "bicubic";
  align_corners: boolean;
  antialias: boolean;
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("vision-patches", { op: "resize" }))("agrees with $source on $name", (golden) => {
    const { size, mode, align_corners: alignCorners, antialias } = golden.options as unknown as Options;
    use(() => expectGolden(golden, ({ inputs: { x } }) => ({ y: interpolate(x, { size, mode, alignCorners, antialias }) })));
  });
});

describe("interpolate", () => {
  const variants = [
    { mode: "bilinear" },
    { mode: "bilinear", alignCorners: true },
    { mode: "bilinear", antialias: true },
    { mode: "bicubic" },
    { mode: "bicubic", alignCorners: true },
    { mode: "bicubic", antialias: true },
    { mode: "nearest" },
  ] as const;

  it.each(variants)("keeps an even image even, and one of the same size as it is: %j", (options) => {
    for (const size of [1, 3, 7, 12])
      expectClose(interpolate(full([1, 2, 5, 7], 3), { size, ...options }), full([1, 2, size, size], 3), 2e-6);
    const x = randomTensor([1, 2, 5, 7], 1);
    expectClose(interpolate(x, { size: [5, 7], ...options }), x, 1e-6);
  });

  it.each(variants)("has the gradient of its central differences: %j", (options) => {
    expectGradient((x) => interpolate(x, { size: [3, 5], ...options }), [[1, 2, 4, 3]], { second: true });
  });

  it("copies pixels of any dtype with nearest, NaN included", () => {
    const x = tensor(
      [
        [
          [
            [1, 2],
            [3, 4],
          ],
        ],
      ],
      { dtype: "uint8" },
    );
    expect(interpolate(x, { size: 3 }).toArray()).toEqual([
      [
        [
          [1, 1, 2],
          [1, 1, 2],
          [3, 3, 4],
        ],
      ],
    ]);
    expect(interpolate(tensor([[[[Number.NaN, 1]]]]), { size: [1, 4] }).toArray()).toEqual([[[[Number.NaN, Number.NaN, 1, 1]]]]);
  });

  it("refuses empty images and options that exclude each other", () => {
    expect(() => interpolate(zeros([1, 1, 0, 2]), { size: 2 })).toThrow("interpolate: an image needs at least one pixel");
    expect(() => interpolate(zeros([1, 1, 2, 2]), { size: 2, mode: "bicubic", alignCorners: true, antialias: true })).toThrow(
      "exclude each other",
    );
    expect(() => interpolate(zeros([1, 1, 2, 2]), { size: 2, antialias: true })).toThrow("mode nearest takes neither");
    expect(() => interpolate(zeros([1, 1, 2, 2]), { size: 0 })).toThrow("interpolate: size must be an integer of at least 1");
  });
});
