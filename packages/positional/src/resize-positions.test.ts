import { describe, expect, it } from "vitest";
import { concat, flip, full, reshape, slice } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { resizeGridBias, resizePositions } from "./index.ts";

describe("resizePositions", () => {
  it("returns the table itself where the grid stays", () => {
    const table = randomTensor([1, 7, 5]);
    expect(resizePositions(table, { from: [2, 3], to: [2, 3] })).toBe(table);
  });

  it.each(["bicubic", "bilinear"] as const)("keeps prefix rows, and a constant constant, when %s", (mode) => {
    const table = concat([randomTensor([2, 3], 1), full([6, 3], 0.75)], 0);
    for (const antialias of [false, true]) {
      const resized = resizePositions(table, { from: [2, 3], to: [5, 2], prefix: 2, mode, antialias });
      expect(resized.shape).toEqual([12, 3]);
      expectClose(slice(resized, 0, 0, 2), slice(table, 0, 0, 2));
      expectClose(slice(resized, 0, 2), full([10, 3], 0.75), 4e-7); // weights of four taps a side, each rounded
    }
  });

  it("takes a table with or without a 1 in front, and a side for a square grid", () => {
    const table = randomTensor([10, 4], 2);
    const resized = resizePositions(table, { from: 3, to: 5 });
    expectClose(resizePositions(reshape(table, [1, 10, 4]), { from: [3, 3], to: [5, 5] }), reshape(resized, [1, 26, 4]));
  });

  it("doubles bilinearly as one would by hand", () => {
    const table = randomTensor([2, 1], 3);
    const [[a], [b]] = table.toArray() as [[number], [number]];
    // Four centres over two: at −¼ (held at 0), ¼, ¾ and 1¼ (held at 1).
    const wanted = [a, 0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b, b].map((value) => [value]);
    expectClose(resizePositions(table, { from: [1, 2], to: [1, 4], prefix: 0, mode: "bilinear" }), wanted, 1e-6);
  });

  it("has the gradient of its central differences", () => {
    expectGradient((table) => resizePositions(table, { from: [2, 3], to: 4 }), [[7, 2]]);
    expectGradient((table) => resizeGridBias(table, { from: [2, 2], to: [3, 2], mode: "bilinear" }), [[2, 3, 3]]);
  });
});

describe("resizeGridBias", () => {
  it("returns the table itself where the grid stays, and keeps symmetric ones symmetric", () => {
    const table = randomTensor([2, 5, 3], 1);
    expect(resizeGridBias(table, { from: [3, 2], to: [3, 2] })).toBe(table);
    const even = table.add(flip(table, [1, 2]));
    const resized = resizeGridBias(even, { from: [3, 2], to: [5, 4] });
    expect(resized.shape).toEqual([2, 9, 7]);
    expectClose(flip(resized, [1, 2]), resized, 1e-6);
  });
});
