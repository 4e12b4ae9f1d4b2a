import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groups, run, shapes, sizeOf } from "../../test/reductions.ts";
import { implementationsOf, noise } from "../testing/workspace.ts";
import { extremes } from "./extremes.ts";

describe.each(implementationsOf(extremes))("$name", ({ dtype, kernels }) => {
  it("max and min take every element, in every shape; NaN wins", () => {
    for (const shape of shapes) {
      const x = noise(sizeOf(shape), 11);
      for (const [name, fold, none] of [
        ["max", Math.max, -Infinity],
        ["min", Math.min, Infinity],
      ] as const) {
        expect(run(kernels, dtype, name, x, shape)).toEqual(groups(x, shape).map((values) => (values.length > 0 ? fold(...values) : none)));
        for (let at = 0; at < Math.min(x.length, 40); at++) {
          const poisoned = x.map((value, i) => (i === at ? NaN : value));
          expect(run(kernels, dtype, name, poisoned, shape)).toEqual(groups(poisoned, shape).map((values) => fold(...values)));
        }
      }
    }
  });

  it("argmax and argmin give the lowest index of ties, and of NaN", () => {
    for (const shape of shapes) {
      const ties = noise(sizeOf(shape), 13).map((value) => Math.round(value * 3));
      for (const x of [ties, ties.map((value, i) => (i % 7 === 5 ? NaN : value)), ties.map(() => -Infinity), ties.map(() => Infinity)]) {
        for (const [name, fold] of [
          ["argmax", Math.max],
          ["argmin", Math.min],
        ] as const) {
          const expected = groups(x, shape).map((values) => {
            const nan = values.findIndex(Number.isNaN);
            return nan >= 0 ? nan : Math.max(values.indexOf(fold(...values)), 0);
          });
          expect(run(kernels, dtype, name, x, shape)).toEqual(expected);
        }
      }
    }
  });

  it("an index is where its extremum is", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 70 }), fc.integer({ min: 1, max: 6 }), (list, inner) => {
        const n = Math.max(Math.floor(list.length / inner), 1);
        const shape = { outer: 1, n, inner: Math.min(inner, list.length) };
        const x = list.slice(0, sizeOf(shape));
        for (const [arg, name] of [
          ["argmax", "max"],
          ["argmin", "min"],
        ] as const) {
          const [indices, values] = [run(kernels, dtype, arg, x, shape), run(kernels, dtype, name, x, shape)];
          expect(groups(x, shape).map((group, g) => group[indices[g]!]! + 0)).toEqual(values.map((value) => value + 0));
        }
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});
