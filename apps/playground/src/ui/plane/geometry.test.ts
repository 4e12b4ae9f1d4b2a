import { expect, it } from "vitest";
import { arrow, frameAround, LabelPlaces, projection, ticks } from "./geometry.ts";

it("projects to pixels and back, with y upwards", () => {
  const { to, from } = projection({ left: -1, bottom: -1, span: 3 }, 300);
  expect(to([-1, -1])).toEqual([0, 300]);
  expect(to([2, 2])).toEqual([300, 0]);
  expect(from(to([0.5, 1.25]))).toEqual([0.5, 1.25]);
});

it("frames the origin and all points in a square", () => {
  const { left, bottom, span } = frameAround([
    [1, 0.4],
    [0.7, 1.2],
  ]);
  expect(left).toBeLessThan(0);
  expect(bottom).toBeLessThan(0);
  expect(left + span).toBeGreaterThan(1);
  expect(bottom + span).toBeGreaterThan(1.5);
  expect(frameAround([[0, 0]]).span).toBeGreaterThan(0.5);
});

it("lists the ticks in sight, ends included", () => {
  expect(ticks(-1, 3, 1)).toEqual([-1, 0, 1, 2]);
  expect(ticks(-0.2, 1, 0.5)).toEqual([0, 0.5]);
});

it("draws no arrow without a length", () => {
  expect(arrow([5, 5], [5, 5], 2)).toEqual({ shaft: "", head: "" });
});

it("puts labels where they cover nothing", () => {
  const places = new LabelPlaces(300, [
    [100, 100],
    [130, 100],
  ]);
  const [x, y] = places.place([100, 100], 60);
  expect(x > 140 || x + 60 < 120 || y < 90 || y - 13 > 110).toBe(true);
});
