import { expectTypeOf, it } from "vitest";
import { randomKey, type Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import { and, causal, neighbourhood, not, padding, randomBlocks, window, type DrawableMask, type Tiles } from "./index.ts";

// The compiler is the test: `pnpm typecheck` fails where one of these compiles, or does not.
it("refuses wrong names and excluded values when compiling", () => {
  const wrong = () => {
    // @ts-expect-error there is no option of that name
    causal().toTensor(2, 2, { offset: 0 });
    // @ts-expect-error both bounds
    window(3);
    // @ts-expect-error a bound is a number or a tensor
    window("3", 0);
    // @ts-expect-error lengths are needed
    padding();
    // @ts-expect-error a boolean tensor is wrapped by fromTensor
    and(causal(), {} as Tensor);
    // @ts-expect-error not takes one mask
    not(causal(), causal());
    // @ts-expect-error random blocks need a key
    randomBlocks({ block: 64, count: 3 });
    // @ts-expect-error heads do not count: perHead
    randomBlocks({ key: randomKey(1), block: 64, count: 3, heads: 8 });
    // @ts-expect-error a grid has two sides
    neighbourhood({ grid: 14, radius: 1 });
    // @ts-expect-error borders clip or shift
    neighbourhood({ grid: [14, 14], radius: 1, border: "wrap" });
    // @ts-expect-error a bias is of floats
    causal().toBias(2, 2, { dtype: "int32" });
  };
  expectTypeOf(wrong).returns.toBeVoid();
  expectTypeOf(and(causal(), window(3, 0))).toEqualTypeOf<DrawableMask>();
  expectTypeOf(causal()).toExtend<Mask>();
  expectTypeOf(causal().tiles(2, 2)).toEqualTypeOf<Tiles>();
});
