import { FormatError, randomKey, ShapeError } from "@heed/tensor";
import fc from "fast-check";
import { expect, it } from "vitest";
import { stratifiedSplit } from "./stratified-split.ts";

const key = randomKey(5);

it("gives every class to both parts, in its share, and loses nothing", () => {
  const classes = fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(classes, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(), (sizes, testFraction, seed) => {
      const labels = Int32Array.from(sizes.flatMap((size, label) => Array.from({ length: size }, () => label))).sort(
        (a, b) => ((a * 7 + b) % 3) - 1,
      );
      const { train, test } = stratifiedSplit(labels, { key: randomKey(seed), testFraction });
      expect([...train, ...test].sort((a, b) => a - b)).toEqual(Array.from(labels.keys()));
      expect([...train]).toEqual([...train].sort((a, b) => a - b));
      sizes.forEach((size, label) => {
        const tested = test.filter((i) => labels[i] === label).length;
        expect(tested).toBe(Math.min(size - 1, Math.max(1, Math.round(testFraction * size))));
      });
    }),
  );
});

it("depends on the key alone", () => {
  const labels = Int32Array.from({ length: 100 }, (_, i) => i % 3);
  expect(stratifiedSplit(labels, { key })).toEqual(stratifiedSplit(labels, { key }));
  expect(stratifiedSplit(labels, { key }).test).not.toEqual(stratifiedSplit(labels, { key: key.split(1) }).test);
});

it("refuses a class with one example, and fractions that are none", () => {
  expect(() => stratifiedSplit(Int32Array.of(0, 0, 1), { key, classNames: ["cat", "owl"] })).toThrow(FormatError);
  expect(() => stratifiedSplit(Int32Array.of(0, 0, 1), { key, classNames: ["cat", "owl"] })).toThrow(/at least two examples.*"owl"/);
  for (const testFraction of [0, 1, -1, Number.NaN])
    expect(() => stratifiedSplit(Int32Array.of(0, 0), { key, testFraction })).toThrow(ShapeError);
});
