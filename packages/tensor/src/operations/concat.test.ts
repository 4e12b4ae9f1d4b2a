import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { scope } from "../core/scope.ts";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { concat } from "./concat.ts";
import { split } from "./split.ts";
import { stack } from "./stack.ts";
import { transpose } from "./views.ts";

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "cat" }))("concat agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs }) => ({ y: concat(Object.values(inputs), golden.options.axis as number) }))),
  );
  it.each(loadGolden("tensor", { op: "stack" }))("stack agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs }) => ({ y: stack(Object.values(inputs), golden.options.axis as number) }))),
  );
});

describe("concat", () => {
  it("is undone by split, for any lengths, axis and dtype", () => {
    const shapes = fc.record({
      lengths: fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }),
      axis: fc.integer({ min: -3, max: 2 }),
      dtype: fc.constantFrom("float32" as const, "float64" as const, "int32" as const, "bool" as const, "uint8" as const),
      inScope: fc.boolean(),
    });
    fc.assert(
      fc.property(shapes, ({ lengths, axis, dtype, inScope }) => {
        const at = (axis + 3) % 3;
        const parts = lengths.map((length, i) =>
          randomTensor(
            [2, 3, 5].map((n, other) => (other === at ? length : n)),
            i,
            { dtype, low: 0, high: 2 },
          ),
        );
        const run = () => split(concat(parts, axis), lengths, axis);
        const back = inScope ? scope(run) : run();
        back.forEach((part, i) => expectClose(part, parts[i]));
        expect(back.every((part) => part.dtype === dtype)).toBe(true);
      }),
    );
  });

  it("reads views by their strides", () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(concat([transpose(x), transpose(x)], 1).toArray()).toEqual([
      [1, 4, 1, 4],
      [2, 5, 2, 5],
      [3, 6, 3, 6],
    ]);
  });

  it("has the gradient of its central differences, also of one tensor taken twice", () => {
    expectGradient(
      (a, b, c) => concat([a, b, c, a], 1),
      [
        [2, 3, 5],
        [2, 0, 5],
        [2, 2, 5],
      ],
      { second: true },
    );
    expectGradient(
      (a, b) => stack([a, b], -1),
      [
        [2, 3],
        [2, 3],
      ],
    );
    expectGradient((x) => split(x, [1, 3, 2], 1), [[2, 6]]);
  });

  it("stacks scalars to a vector", () => {
    expect(stack([tensor(1), tensor(2)]).toArray()).toEqual([1, 2]);
  });

  it("says which part does not fit", () => {
    expect(() => concat([])).toThrow("concat: parts must be a list of at least one tensor");
    expect(() => concat([zeros([2, 3]), zeros([3, 3])], 1)).toThrow(
      "concat: parts must have one shape but for axis 1; got part 0 [2, 3], part 1 [3, 3].",
    );
    expect(() => concat([zeros([2]), zeros([2], { dtype: "int32" })])).toThrow("concat: dtypes must agree");
    expect(() => concat([tensor(1)])).toThrow("Use stack for scalars");
    expect(() => stack([zeros([2]), zeros([3])])).toThrow("stack: parts must have one shape; got part 0 [2], part 1 [3].");
  });
});

describe("split", () => {
  it("cuts into equal lengths, the last one shorter, and shares the storage", () => {
    const x = tensor([1, 2, 3, 4, 5]);
    const parts = split(x, 2);
    expect(parts.map((part) => part.toArray())).toEqual([[1, 2], [3, 4], [5]]);
    expect(parts.every((part) => part.storage === x.storage)).toBe(true);
    expect(split(zeros([0, 2]), 3).map((part) => part.shape)).toEqual([[0, 2]]);
  });

  it("refuses lengths that do not add up", () => {
    expect(() => split(zeros([5]), [2, 2])).toThrow(
      "split: lengths must be non-negative integers that add up to the axis; got lengths [2, 2], shape [5], axis 0.",
    );
    expect(() => split(zeros([5]), 0)).toThrow("split: a part's length must be a positive integer");
  });
});
