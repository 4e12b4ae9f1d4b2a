import { expect, it } from "vitest";
import { cast } from "../operations/cast.ts";
import { transpose } from "../operations/views.ts";
import { arange, tensor, zeros } from "./construct.ts";

it("shows values, shape and dtype", () => {
  expect(String(tensor([1, 2.5, -0.1]))).toBe("Tensor([1, 2.5, -0.1], shape [3], float32)");
  expect(String(tensor(3))).toBe("Tensor(3, shape [], float32)");
  expect(String(tensor([true, false]))).toBe("Tensor([true, false], shape [2], bool)");
  expect(String(tensor([NaN, Infinity, -Infinity, 1e-30, 123456789]))).toBe(
    "Tensor([NaN, Infinity, -Infinity, 1e-30, 123456792], shape [5], float32)",
  );
  expect(String(cast(tensor([1.5]), "float16"))).toBe("Tensor([1.5], shape [1], float16)");
  expect(String(zeros([2, 0]))).toBe("Tensor([[],\n        []], shape [2, 0], float32)");
});

it("puts rows under one another, in the order of the view", () => {
  expect(
    String(
      transpose(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ),
  ).toBe("Tensor([[1, 3],\n        [2, 4]], shape [2, 2], float32)");
  expect(
    String(
      tensor([
        [[1], [2]],
        [[3], [4]],
      ]),
    ),
  ).toBe("Tensor([[[1],\n         [2]],\n        [[3],\n         [4]]], shape [2, 2, 1], float32)");
});

it("shortens axes longer than 8 to their first and last three entries", () => {
  expect(String(arange(8))).toBe("Tensor([0, 1, 2, 3, 4, 5, 6, 7], shape [8], int32)");
  expect(String(arange(9))).toBe("Tensor([0, 1, 2, …, 6, 7, 8], shape [9], int32)");
  expect(String(zeros([1000, 1000])).length).toBeLessThan(400);
});
