import * as fc from "fast-check";
import { ShapeError } from "@heed/kernels";
import { describe, expect, it } from "vitest";
import {
  broadcastShapes,
  broadcastStrides,
  isRowMajor,
  normalizeAxes,
  normalizeAxis,
  requireShape,
  rowMajor,
  sameShape,
  sizeOf,
} from "./shape.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

describe("broadcastShapes", () => {
  /** NumPy's rule, axis by axis from the end. */
  const byRule = (a: readonly number[], b: readonly number[]) => {
    const result: number[] = [];
    for (let i = 1; i <= Math.max(a.length, b.length); i++) {
      const [p, q] = [a.at(-i) ?? 1, b.at(-i) ?? 1];
      if (p !== q && p !== 1 && q !== 1) return undefined;
      result.unshift(p === 1 ? q : p);
    }
    return result;
  };

  it("follows NumPy's rule, in either order, also with lengths of 0", () => {
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        const expected = byRule(a, b);
        if (expected === undefined) expect(() => broadcastShapes("test", a, b)).toThrow(ShapeError);
        else {
          expect(broadcastShapes("test", a, b)).toEqual(expected);
          expect(broadcastShapes("test", b, a)).toEqual(expected);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it("takes any number of shapes, and names them all when they do not fit", () => {
    expect(broadcastShapes("test", [3, 1], [4], [2, 1, 1])).toEqual([2, 3, 4]);
    expect(broadcastShapes("test")).toEqual([]);
    expect(() => broadcastShapes("test", [3], [4], [1])).toThrow(/^test: shapes must broadcast.*got a \[3\], b \[4\], c \[1\]/);
  });
});

describe("strides", () => {
  it("of row-major order address every element once, in order", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const strides = rowMajor(shape);
        expect(isRowMajor(shape, strides)).toBe(true);
        const addresses: number[] = [];
        const visit = (axis: number, at: number) => {
          if (axis === shape.length) addresses.push(at);
          else for (let i = 0; i < shape[axis]; i++) visit(axis + 1, at + i * strides[axis]);
        };
        visit(0, 0);
        expect(addresses).toEqual(Array.from({ length: sizeOf(shape) }, (_, i) => i));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("do not matter for axes of length 1, nor where there is nothing", () => {
    expect(isRowMajor([2, 1, 3], [3, 77, 1])).toBe(true);
    expect(isRowMajor([2, 0], [5, 5])).toBe(true);
    expect(isRowMajor([], [])).toBe(true);
    expect(isRowMajor([2, 3], [1, 2])).toBe(false);
    expect(isRowMajor([4], [0])).toBe(false);
  });

  it("are 0 where a shape stretches", () => {
    expect(broadcastStrides([3, 1], [1, 1], [2, 3, 4])).toEqual([0, 1, 0]);
    expect(broadcastStrides([], [], [2])).toEqual([0]);
  });
});

describe("axes", () => {
  it("count from the end when negative", () => {
    expect([normalizeAxis("f", -1, 3), normalizeAxis("f", -3, 3), normalizeAxis("f", 2, 3)]).toEqual([2, 0, 2]);
    expect(normalizeAxes("f", [-1, 0], 3)).toEqual([0, 2]);
    expect(normalizeAxes("f", undefined, 3)).toEqual([0, 1, 2]);
    expect(normalizeAxes("f", 1, 3)).toEqual([1]);
    expect(normalizeAxes("f", [], 3)).toEqual([]);
  });

  it("must exist, be integers, and be distinct", () => {
    expect(() => normalizeAxis("f", 3, 3)).toThrow(/^f: axis must be an integer from -3 to 2; got axis 3, rank 3/);
    expect(() => normalizeAxis("f", -4, 3)).toThrow(ShapeError);
    expect(() => normalizeAxis("f", 0.5, 3)).toThrow(ShapeError);
    expect(() => normalizeAxis("f", 0, 0)).toThrow(ShapeError);
    expect(() => normalizeAxes("f", [0, -3], 3)).toThrow(/distinct; got axes \[0, -3\]/);
  });
});

describe("shapes", () => {
  it("are the same by their lengths", () => {
    expect([sameShape([2, 3], [2, 3]), sameShape([2], [2, 1]), sameShape([], []), sameShape([2, 3], [3, 2])]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it("hold non-negative integers, of an addressable product", () => {
    expect(() => requireShape("f", [2, 0])).not.toThrow();
    for (const bad of [[-1], [1.5], [NaN], [Infinity], [2 ** 27, 2 ** 27]]) expect(() => requireShape("f", bad)).toThrow(ShapeError);
  });
});
