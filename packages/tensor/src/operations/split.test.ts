import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { expect, it } from "vitest";
import { concat, ShapeError, split, sum, tensor } from "../index.ts";

it("cuts an axis into views, the last part shorter where it does not divide", () => {
  const x = randomTensor([2, 7, 3], 1);
  const parts = split(x, 3, 1);
  expect(parts.map((part) => part.shape)).toEqual([
    [2, 3, 3],
    [2, 3, 3],
    [2, 1, 3],
  ]);
  expect(parts.every((part) => part.storage === x.storage)).toBe(true);
  for (const [i, part] of parts.entries()) expectClose(part, x.slice(1, 3 * i, 3 * i + 3));
});

it("has the gradient of its central differences, also where only some parts are used", () => {
  expectGradient((x) => split(x, [2, 0, 1], 1), [[2, 3, 5]], { second: true });
  expectGradient(
    (x) => {
      const [, part] = split(x.mul(x), [2, 1], 1);
      return part;
    },
    [[2, 3, 5]],
  );
});

it("gives parts that nobody used a gradient of 0", () => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  sum(split(x, [1, 2])[1]).backward();
  expect(x.grad!.toArray()).toEqual([0, 1, 1]);
});

it("takes gradients that lie side by side as they are", () => {
  const x = tensor(randomTensor([2, 4, 3], 1).toTypedArray(), { shape: [2, 4, 3], requiresGrad: true });
  const g = randomTensor([2, 4, 3], 2);
  for (const parts of [split(x, [1, 3], 1), split(x, [1, 3], 1).reverse()]) {
    x.grad = null;
    concat(parts, 1).backward(g);
    expectClose(x.grad!, parts[0].shape[1] === 1 ? g : concat([g.slice(1, 3), g.slice(1, 0, 3)], 1), 0);
  }
});

it("says when the lengths do not add up", () => {
  expect(() => split(tensor([1, 2, 3]), [1, 1])).toThrow(ShapeError);
  expect(() => split(tensor([1, 2, 3]), 0)).toThrow("split: a part's length must be a positive integer; got lengths 0.");
});
