import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTypeError, ScopeError, ShapeError } from "@heed/kernels";
import { cast } from "../operations/cast.ts";
import { transpose } from "../operations/views.ts";
import { tensor } from "./construct.ts";
import { copyTo } from "./copy-to.ts";
import { resident } from "./resident.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => i + 0.5);

describe("copyTo", () => {
  it("gives what toTypedArray gives, wherever elements live and however they lie", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 })),
        fc.integer({ min: 0, max: 5 }),
        fc.constantFrom("float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool"),
        fc.constantFrom("heap", "scope", "resident"),
        fc.boolean(),
        ([rows, columns], at, dtype, home, turned) => {
          const made = cast(tensor(numbers(rows * columns), { shape: [rows, columns] }), dtype);
          const owner = home === "resident" ? resident([made]) : undefined;
          const check = (x: Tensor): void => {
            const view = turned ? transpose(x) : x;
            const expected = view.toTypedArray();
            const target = new (expected.constructor as Float32ArrayConstructor)(expected.length + at + 3).fill(7);
            expect(copyTo(view, target, at)).toBe(target);
            expect([...target]).toEqual([...Array<number>(at).fill(7), ...expected, 7, 7, 7]);
          };
          if (home === "scope") scope(() => check(cast(made, dtype)));
          else check(made);
          owner?.release();
        },
      ),
    );
  });

  it("writes into part of a buffer, and leaves its neighbours alone", () => {
    const buffer = new Float32Array(10).fill(-1);
    copyTo(tensor([1, 2, 3]), buffer.subarray(4, 8));
    expect([...buffer]).toEqual([-1, -1, -1, -1, 1, 2, 3, -1, -1, -1]);
  });

  it("takes a target of shared memory", () => {
    const target = new Float32Array(new SharedArrayBuffer(4 * 300));
    expect([...copyTo(tensor(numbers(300)), target)]).toEqual([...numbers(300)]);
  });

  it("refuses another kind of array, and says which to make", () => {
    const target = new Float64Array(3);
    expect(() => copyTo(tensor([1, 2, 3]), target)).toThrow(DTypeError);
    expect(() => copyTo(tensor([1, 2, 3]), target)).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: copyTo: target of float32 must be a Float32Array; got target "Float64Array". Pass new Float32Array(3).]`,
    );
    expect(() => copyTo(tensor([1, 2, 3]), [0, 0, 0] as never)).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: copyTo: target of float32 must be a Float32Array; got target "Array". Pass new Float32Array(3).]`,
    );
    expect([...target]).toEqual([0, 0, 0]);
  });

  it.each([
    [2, 0],
    [4, 2],
    [4, -1],
    [4, 0.5],
    [4, NaN],
  ])("refuses a target of %i elements from %d on, and writes nothing", (length, at) => {
    const target = new Float32Array(length);
    expect(() => copyTo(tensor([1, 2, 3]), target, at)).toThrow(ShapeError);
    expect(target.every((x) => x === 0)).toBe(true);
  });

  it("names the sizes in the error", () => {
    expect(() => copyTo(tensor([1, 2, 3]), new Float32Array(4), 2)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: copyTo: target must have room for every element of x from at on; got x [3], elements 3, target.length 4, at 2. Pass new Float32Array(3), and no at.]`,
    );
  });

  it("refuses a tensor whose scope has ended", () => {
    let gone: Tensor | undefined;
    scope(() => {
      gone = cast(tensor(numbers(3)), "float64");
    });
    expect(() => copyTo(gone!, new Float64Array(3))).toThrow(ScopeError);
  });
});
