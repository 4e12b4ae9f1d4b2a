import { expect, it } from "vitest";
import * as index from "./index.ts";
import * as light from "./light.ts";
import * as operation from "./operation.ts";

it("light gives nothing of its own: the same values as the other entries", () => {
  const everything: Record<string, unknown> = { ...index, ...operation };
  const strangers = Object.entries(light).filter(([name, value]) => everything[name] !== value);
  expect(strangers).toEqual([]);
});

it("light is enough to make, combine and read tensors, which operations of the index take", () => {
  const x = light.tensor([1, 2, 3]);
  expect(light.sum(light.mul(x, x)).item()).toBe(14);
  expect(index.softmax(light.zeros([2])).toTypedArray()).toEqual(Float32Array.of(0.5, 0.5));
});
