import { describe, expect, it } from "vitest";
import { add, randomKey, reshape, sum, tensor, zeros } from "@heed/tensor";
import { eachBackend, expectClose, loadGolden, randomTensor } from "@heed/tensor/testing";
import { expectModuleGradient } from "@heed/nn/testing";
import { LearnedGridPositions, LearnedPositions, sinCos2d, sinusoidal } from "./index.ts";

const key = randomKey(7);

describe("sinusoidal", () => {
  it.each(loadGolden("positional", { op: "sinusoidal" }))(
    "agrees with $source on $name",
    ({ inputs, options, output, outputs64, tolerance, toleranceOf }) => {
      const { width, base, style } = options as unknown as { width: number; base: number; style: "interleaved" | "halves" };
      expectClose(sinusoidal(inputs.positions.toTypedArray(), width, { base, style }), output, tolerance);
      const exact = sinusoidal(inputs.positions.toTypedArray(), width, { base, style, dtype: "float64" });
      if (outputs64.table === undefined) expectClose(exact, output, tolerance);
      else expectClose(exact, outputs64.table, toleranceOf("output64.table"));
    },
  );

  it("counts positions from 0, takes fractions, and none", () => {
    expectClose(sinusoidal(3, 4), sinusoidal([0, 1, 2], 4));
    expectClose(sinusoidal([0.5], 2), [[Math.sin(0.5), Math.cos(0.5)]], 1e-7);
    expect(sinusoidal(0, 4).shape).toEqual([0, 4]);
  });

  it("lets a shift be a rotation: the product of two rows depends on their distance alone", () => {
    const table = sinusoidal(40, 16, { dtype: "float64" });
    const product = (i: number, j: number) => sum(table.slice(0, i, i + 1).mul(table.slice(0, j, j + 1))).item();
    for (const [i, j] of [
      [0, 3],
      [5, 11],
      [20, 2],
    ])
      expect(product(i, j)).toBeCloseTo(product(i + 15, j + 15), 12);
  });
});

describe("sinCos2d", () => {
  it.each(loadGolden("positional", { op: "sincos_2d" }))("agrees with $source on $name", ({ options, output, tolerance }) => {
    const {
      height,
      width,
      embed,
      cls_token: clsToken,
      base,
    } = options as unknown as { height: number; width: number; embed: number; cls_token: boolean; base: number };
    expectClose(sinCos2d(height, width, embed, { clsToken, base }), output, tolerance);
    expectClose(sinCos2d(height, width, embed, { clsToken, base, dtype: "float64" }), output, tolerance);
  });
});

describe("learned positions", () => {
  it("have the gradients of their central differences: a table, chosen rows of it, rows plus columns", () => {
    expectModuleGradient(new LearnedPositions(5, 3, { key }), (positions, x) => positions.forward(x), [[2, 4, 3]]);
    const places = tensor(
      [
        [4, 0, 4],
        [1, 1, 2],
      ],
      { dtype: "int32" },
    );
    expectModuleGradient(new LearnedPositions(5, 3, { key }), (positions, x) => positions.forward(x, places), [[2, 3, 3]]);
    expectModuleGradient(new LearnedGridPositions(2, 3, 4, { key }), (positions, x) => positions.forward(x), [[2, 6, 4]]);
  });

  it.each(eachBackend())("add row t at position t, or where they are told, on $name", ({ use }) =>
    use(() => {
      const positions = new LearnedPositions(5, 3, { key });
      const x = randomTensor([2, 4, 3], 1);
      expectClose(positions.forward(x), add(x, positions.weight.slice(0, 0, 4)));
      expectClose(
        positions.forward(x, tensor([3, 2, 1, 0], { dtype: "int32" })).slice(1, 0, 1),
        add(x.slice(1, 0, 1), reshape(positions.weight.slice(0, 3, 4), [1, 1, 3])),
      );
    }),
  );

  it("add row r plus column c in cell r · columns + c of a grid", () => {
    const grid = new LearnedGridPositions(2, 3, 4, { key });
    const y = grid.forward(zeros([6, 4]));
    const [r, c] = [1, 2];
    expectClose(y.slice(0, r * 3 + c, r * 3 + c + 1), add(grid.rowWeight.slice(0, r, r + 1), grid.columnWeight.slice(0, c, c + 1)));
    expect(Object.keys(grid.stateDict())).toEqual(["rowWeight", "columnWeight"]);
    expect(grid.parameterCount).toBe((2 + 3) * 4);
  });

  it("start small, the same from the same key", () => {
    const values = Array.from(new LearnedPositions(100, 100, { key }).weight.toTypedArray());
    const deviation = Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
    expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(5 / 100); // five deviations of a deviation of 10⁴ draws, and more
    expect(new LearnedPositions(2, 2, { key }).weight.toArray()).toEqual(new LearnedPositions(2, 2, { key }).weight.toArray());
  });
});
