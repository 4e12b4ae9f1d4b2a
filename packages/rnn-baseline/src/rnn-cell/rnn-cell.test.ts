import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { rnnCell, type RnnCellKernels } from "./rnn-cell.ts";

const exact = rnnCell.implementation("reference", "float64");
const kinds = [
  ["tanh", Math.tanh, (y: number) => 1 - y * y],
  ["relu", (x: number) => Math.max(x, 0), (y: number) => Number(y > 0)],
] as const;

/** Rows lie `gap` elements further apart than they must; what lies between stays as it was. */
function run(kernels: RnnCellKernels, kind: "tanh" | "relu", dtype: "float32" | "float64", sums: number[], B: number, H: number, gap = 0) {
  return inWorkspace(dtype, (w) => {
    const rows = [...Array(B).keys()];
    const spread = (values: number[]) => rows.flatMap((b) => [...values.slice(b * H, (b + 1) * H), ...Array<number>(gap).fill(9)]);
    const gather = (pointer: number) => {
      const all = w.readReals(pointer, B * (H + gap));
      expect(rows.flatMap((b) => all.slice(b * (H + gap) + H, (b + 1) * (H + gap)))).toEqual(Array<number>(B * gap).fill(9));
      return rows.flatMap((b) => all.slice(b * (H + gap), b * (H + gap) + H));
    };
    const [gates, h] = [w.reals(spread(sums), 1), w.reals(spread(sums), 3)];
    kernels[`${kind}Cell`](gates, H + gap, h, H + gap, B, H);
    expect(gather(gates)).toEqual(gather(h));
    const [dy, dh, dgates] = [w.reals(spread(noise(B * H, 3)), 2), w.reals(noise(B * H, 5), 3), w.reals(spread(sums))];
    kernels[`${kind}CellGrad`](dy, H + gap, dh, gates, dgates, H + gap, B, H);
    return { h: gather(h), dgates: gather(dgates) };
  });
}

describe.each(kinds)("rnn-cell %s", (kind, f, slope) => {
  describe.each(implementationsOf(rnnCell))("$name", ({ kernels, dtype }) => {
    it.each([
      [0, 4],
      [1, 1],
      [2, 3],
      [2, 4],
      [3, 5],
      [2, 7],
      [1, 8],
      [3, 9],
      [2, 0],
    ])("is what it says for B = %i, H = %i", (B, H) => {
      const sums = noise(B * H, 1).map((x) => Math.fround(4 * x));
      const { h, dgates } = run(kernels, kind, dtype, sums, B, H);
      const cotangents = [3, 5].map((seed) => noise(B * H, seed)).reduce((a, b) => a.map((x, i) => x + b[i]));
      const y = sums.map(f);
      // tanh is good to 3 ulp (6 u); its slope 1 − y² then to 12 u and a rounding; cotangents are below 2 and rounded when stored and added.
      const u = unitRoundoff(dtype);
      expectNear(h, y, 6 * u, "h");
      expectNear(
        dgates,
        y.map((value, i) => slope(value) * cotangents[i]),
        2 * 18 * u,
        "dgates",
      );
    });

    it("works on slices of a sequence", () => {
      const sums = noise(15, 1);
      expect(run(kernels, kind, dtype, sums, 3, 5, 6)).toEqual(run(kernels, kind, dtype, sums, 3, 5));
    });

    it("passes NaN on; relu makes 0 of −0", () => {
      const { h } = run(kernels, kind, dtype, [NaN, 1, -0, NaN, -3], 1, 5);
      expect(h.map(Number.isNaN)).toEqual([true, false, false, true, false]);
      if (kind === "relu") expect(h.slice(1, 3)).toEqual([1, 0]);
    });
  });

  it("agrees in every implementation with float64 on saturated sums", () => {
    const sums = [1e30, -1e30, 20, -20].map(Math.fround);
    const expected = run(exact, kind, "float64", sums, 1, 4);
    for (const { kernels, dtype } of implementationsOf(rnnCell)) {
      const { h, dgates } = run(kernels, kind, dtype, sums, 1, 4);
      expectNear(
        h.map((x, i) => (expected.h[i] === 0 ? x : x / expected.h[i] - 1)),
        Array<number>(4).fill(0),
        unitRoundoff(dtype),
      );
      expect(dgates.every(Number.isFinite)).toBe(true);
    }
  });
});
