import { expect, it } from "vitest";
import { HeedError } from "@heed/kernels";
import { add } from "../operations/arithmetic.ts";
import { cast } from "../operations/cast.ts";
import { expand, slice, transpose } from "../operations/views.ts";
import { copyInto } from "./compute.ts";
import { tensor, zeros } from "./construct.ts";
import { keep } from "./keep.ts";
import { scope } from "./scope.ts";
import type { DType } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

it("copies to the heap, without history, whatever is written or ends later", () => {
  const w = tensor([1, 2, 3], { requiresGrad: true });
  const kept: Tensor[] = [];
  scope(() => {
    kept.push(keep(w), keep(add(w, 1)));
    copyInto(w, zeros([3]));
  });
  expect(kept.map((x) => x.toArray())).toEqual([
    [1, 2, 3],
    [2, 3, 4],
  ]);
  expect(kept.map((x) => [x.requiresGrad, x.storage.home])).toEqual([
    [false, "heap"],
    [false, "heap"],
  ]);
});

it.each<DType>(["float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool"])(
  "takes a view's own elements only, in %s",
  (dtype) => {
    const x = cast(
      tensor([
        [1, 0, 1],
        [0, 1, 1],
      ]),
      dtype,
    );
    for (const view of [
      slice(x, 0, 1),
      slice(transpose(x), 0, undefined, undefined, -2),
      expand(slice(x, 1, 1, 2), [2, 3]),
      slice(x, 0, 1, 1),
    ]) {
      const expected = view.toArray();
      for (const kept of [keep(view), scope(() => keep(view))]) {
        expect(kept.toArray()).toEqual(expected);
        expect([kept.dtype, kept.storage.length]).toEqual([dtype, view.size]);
      }
    }
  },
);

it("takes tensors only", () => {
  expect(() => keep(3 as never)).toThrow(HeedError);
});
