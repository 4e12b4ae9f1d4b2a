import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { eachBackend, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { pad, type PadOptions } from "./pad.ts";
import { transpose } from "./views.ts";

type Pads = [number, number][];

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "pad" }))("agrees with $source on $name", (golden) => {
    const { pads, mode, value = 0 } = golden.options as unknown as { pads: Pads } & PadOptions;
    use(() => expectGolden(golden, ({ inputs }) => ({ y: pad(inputs.x, pads, { mode, value }) })));
  });
});

describe("pad", () => {
  const row = [1, 2, 3, 4];
  it.each([
    ["constant", [9, 9, 9, 1, 2, 3, 4, 9, 9]],
    ["reflect", [4, 3, 2, 1, 2, 3, 4, 3, 2]],
    ["replicate", [1, 1, 1, 1, 2, 3, 4, 4, 4]],
    ["circular", [2, 3, 4, 1, 2, 3, 4, 1, 2]],
  ] as const)("in mode %s surrounds 1 2 3 4 with what is expected", (mode, expected) => {
    expect(pad(tensor(row), [[3, 2]], { mode, value: 9 }).toArray()).toEqual(expected);
  });

  it("reads the element that plain indexing says, in every mode, with crops, on views and every dtype", () => {
    const amount = fc.integer({ min: -2, max: 2 });
    const pairs = fc.tuple(fc.tuple(amount, amount), fc.tuple(amount, amount));
    fc.assert(
      fc.property(
        pairs,
        fc.constantFrom("constant" as const, "reflect" as const, "replicate" as const, "circular" as const),
        fc.constantFrom("float32" as const, "float64" as const, "int32" as const, "uint8" as const),
        (pads, mode, dtype) => {
          const shape = [4, 5];
          const x = transpose(randomTensor([5, 4], 3, { dtype, low: 0, high: 100 }));
          const y = pad(x, pads, { mode, value: 7 });
          const nested = x.toArray() as number[][];
          const source = (i: number, n: number): number | undefined => {
            if (i >= 0 && i < n) return i;
            if (mode === "constant") return undefined;
            if (mode === "replicate") return i < 0 ? 0 : n - 1;
            if (mode === "circular") return (i + n) % n;
            return i < 0 ? -i : 2 * n - 2 - i;
          };
          const [rows, columns] = shape.map((n, axis) => n + pads[axis][0] + pads[axis][1]);
          expect(y.shape).toEqual([rows, columns]);
          const expected = Array.from({ length: rows }, (_, i) =>
            Array.from({ length: columns }, (_, j) => {
              const [a, b] = [source(i - pads[0][0], 4), source(j - pads[1][0], 5)];
              return a === undefined || b === undefined ? 7 : nested[a][b];
            }),
          );
          expect(y.toArray()).toEqual(expected);
        },
      ),
    );
  });

  it("has the gradient of its central differences, cropping included", () => {
    expectGradient(
      (x) =>
        pad(
          x,
          [
            [2, -1],
            [-1, 3],
          ],
          { value: 2 },
        ),
      [[3, 5]],
      { second: true },
    );
    for (const mode of ["reflect", "replicate", "circular"] as const)
      expectGradient(
        (x) =>
          pad(
            x,
            [
              [2, 1],
              [0, 2],
            ],
            { mode },
          ),
        [[3, 5]],
        { second: true },
      );
  });

  it("pads empty axes with constants, crops to nothing, and takes scalars", () => {
    expect(
      pad(
        zeros([0, 2]),
        [
          [1, 1],
          [0, 0],
        ],
        { value: 3 },
      ).toArray(),
    ).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(pad(tensor([1, 2]), [[-1, -1]]).shape).toEqual([0]);
    expect(pad(tensor(5), []).item()).toBe(5);
    expect(pad(tensor([1.5], { dtype: "float16" }), [[1, 0]], { value: 0.5 }).toArray()).toEqual([0.5, 1.5]);
  });

  it("says which axis has too few elements", () => {
    expect(() => pad(tensor([1, 2]), [[2, 0]], { mode: "reflect" })).toThrow(
      "pad: mode reflect has too few elements to take from on axis 0",
    );
    expect(() => pad(tensor([1, 2]), [[0, 3]], { mode: "circular" })).toThrow("mode circular");
    expect(() => pad(zeros([0]), [[0, 1]], { mode: "replicate" })).toThrow("mode replicate");
    expect(() => pad(tensor([1, 2]), [[-2, -1]])).toThrow("pad: cannot crop more than there is");
    expect(() => pad(zeros([2, 2]), [[1, 1]])).toThrow(
      "pad: pads must be one [before, after] pair of integers per axis; got pads [[1, 1]], shape [2, 2].",
    );
  });
});
