import { ShapeError } from "@heed/tensor";
import { expect, it } from "vitest";
import { classCounts, imageSet, subset } from "./image-set.ts";
import { pixelStatistics } from "./pixel-statistics.ts";

const options = { channels: 1, height: 1, width: 2, classNames: ["a", "b", "c"], names: ["x", "y", "z"] };
const set = imageSet(Uint8Array.of(0, 255, 10, 20, 30, 40), Int32Array.of(2, 0, 2), options);

it("copies out a subset, in the order asked, also the same picture twice", () => {
  const part = subset(set, [2, 0, 2]);
  expect([...part.images]).toEqual([30, 40, 0, 255, 30, 40]);
  expect([...part.labels]).toEqual([2, 2, 2]);
  expect(part.names).toEqual(["z", "x", "z"]);
  expect(subset(set, []).count).toBe(0);
});

it("counts classes, also empty ones", () => {
  expect([...classCounts(set)]).toEqual([1, 0, 2]);
});

it("refuses parts that do not fit", () => {
  expect(() => imageSet(new Uint8Array(5), set.labels, options)).toThrow(ShapeError);
  expect(() => imageSet(set.images, Int32Array.of(0, 1, 3), options)).toThrow(/label 2 names no class/);
  expect(() => imageSet(set.images, Int32Array.of(0, -1, 1), options)).toThrow(/label 1 names no class/);
  expect(() => imageSet(set.images, set.labels, { ...options, names: ["x"] })).toThrow(/names must be as many/);
});

it("has exact statistics; a channel that never varies has deviation 1", () => {
  const two = imageSet(Uint8Array.of(0, 255, 51, 51, 255, 0, 51, 51), Int32Array.of(0, 0), {
    channels: 2,
    height: 1,
    width: 2,
    classNames: ["a"],
  });
  expect(pixelStatistics(two)).toEqual({ mean: [0.5, 0.2], std: [0.5, 1] });
  expect(() => pixelStatistics(subset(two, []))).toThrow(ShapeError);
});
