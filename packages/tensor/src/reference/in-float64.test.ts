import { expect, it } from "vitest";
import { eye, ones, tensor, zeros } from "../core/construct.ts";
import { grad } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "../operations/arithmetic.ts";
import { matmul } from "../operations/matmul.ts";
import { sum } from "../operations/sum.ts";
import { expectClose } from "../testing/expect-close.ts";
import { inFloat64 } from "./in-float64.ts";

it("converts floats in arrays and plain objects, and nothing else", () => {
  const ids = tensor([1], { dtype: "int32" });
  const seen = inFloat64((tree: { x: Tensor; list: (Tensor | string)[]; ids: Tensor }) => tree, {
    x: ones([2]),
    list: [tensor([1], { dtype: "float16" }), "s"],
    ids,
  });
  expect([seen.x.dtype, (seen.list[0] as Tensor).dtype, seen.list[1]]).toEqual(["float64", "float64", "s"]);
  expect(seen.ids).toBe(ids);
});

it("keeps digits that float32 loses", () => {
  const [a, b] = [tensor([[1, 1e8, -1e8]]), ones([3, 1])];
  expectClose(inFloat64(matmul, a, b), [[1]], 0);
});

it("differentiates inside", () => {
  expectClose(
    inFloat64((x: Tensor) => grad((at: Tensor) => sum(matmul(at, at)))(x), eye(2)),
    [
      [2, 2],
      [2, 2],
    ],
    0,
  );
});

it("refuses a float32 made on the way", () => {
  expect(() => inFloat64((x: Tensor) => add(x, zeros([2])), ones([2]))).toThrow(/dtypes must agree/);
});
