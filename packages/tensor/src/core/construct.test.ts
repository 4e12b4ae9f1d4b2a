import { DTypeError, ShapeError } from "@heed/kernels";
import { describe, expect, it } from "vitest";
import { expectClose } from "../testing/expect-close.ts";
import { arange, eye, full, ones, tensor, zeros } from "./construct.ts";

describe("tensor", () => {
  it("takes nested numbers as float32 and nested booleans as bool", () => {
    const x = tensor([[[1, 2]], [[3, 4]], [[5, 6]]]);
    expect([x.shape, x.dtype, x.rank, x.size]).toEqual([[3, 1, 2], "float32", 3, 6]);
    expect(x.toArray()).toEqual([[[1, 2]], [[3, 4]], [[5, 6]]]);
    const m = tensor([[true, false]]);
    expect([m.shape, m.dtype, m.toArray()]).toEqual([[1, 2], "bool", [[true, false]]]);
    expect(tensor([true, 2]).dtype).toBe("float32");
  });

  it("takes a number or a boolean as a scalar", () => {
    expect([tensor(7).shape, tensor(7).item(), tensor(7).toArray(), tensor(true).toArray()]).toEqual([[], 7, 7, true]);
  });

  it("takes empty arrays, at any depth", () => {
    expect([tensor([]).shape, tensor([[], []]).shape, tensor([[[]]]).shape]).toEqual([[0], [2, 0], [1, 1, 0]]);
    expect(tensor([[], []]).toArray()).toEqual([[], []]);
    expect(tensor(new Float32Array(0), { shape: [3, 0] }).toArray()).toEqual([[], [], []]);
  });

  it.each([
    [Float32Array, "float32"],
    [Float64Array, "float64"],
    [Int32Array, "int32"],
    [Uint8Array, "uint8"],
  ] as const)("takes the dtype of %o, and copies", (type, dtype) => {
    const data = new type([1, 2, 3, 4, 5, 6]);
    const x = tensor(data, { shape: [2, 3] });
    data[0] = 9;
    expect([x.dtype, x.toArray()]).toEqual([
      dtype,
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ]);
    const out = x.toTypedArray();
    expect(out).toBeInstanceOf(type);
    out[0] = 9;
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("gives no dtype to arrays that have none", () => {
    expect(() => tensor(new Int8Array(2))).toThrow(/no dtype of its own; got array "Int8Array"/);
    expect(() => tensor(new Uint16Array(2))).toThrow(DTypeError);
    expect(tensor(new Int8Array([-1, 2]), { dtype: "int32" }).toArray()).toEqual([-1, 2]);
  });

  it("takes bits of half precision from a Uint16Array, and rounds anything else", () => {
    expect(tensor(new Uint16Array([0x3c00, 0xc000]), { dtype: "float16" }).toArray()).toEqual([1, -2]);
    expect(tensor(new Uint16Array([0x3f80, 0xc000]), { dtype: "bfloat16" }).toArray()).toEqual([1, -2]);
    expect(tensor([1 + 2 ** -11, 70_000, 2 ** -25], { dtype: "float16" }).toArray()).toEqual([1, Infinity, 0]);
    expect(tensor([1 + 2 ** -8, 1e39], { dtype: "bfloat16" }).toArray()).toEqual([1, Infinity]);
  });

  it("makes bool of any number: zero is false", () => {
    expect(tensor([0, -0, 2, 0.5], { dtype: "bool" }).toArray()).toEqual([false, false, true, true]);
  });

  it("refuses fractions and numbers out of range as integers", () => {
    for (const [value, dtype] of [
      [1.5, "int32"],
      [2 ** 31, "int32"],
      [NaN, "int32"],
      [-1, "uint8"],
      [256, "uint8"],
      [Infinity, "uint8"],
    ] as const) {
      expect(() => tensor([0, value], { dtype })).toThrow(new RegExp(`element 1 is no ${dtype}`));
    }
    expect(tensor([-(2 ** 31), 2 ** 31 - 1], { dtype: "int32" }).toArray()).toEqual([-(2 ** 31), 2 ** 31 - 1]);
  });

  it("refuses ragged nesting, and what is no number", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(/rectangular; got expected \[2, 2\], length found 1/);
    expect(() => tensor([[1], 2])).toThrow(ShapeError);
    expect(() => tensor([1, [2]])).toThrow(ShapeError);
    expect(() => tensor(["a"] as never)).toThrow(/elements must be numbers or booleans; got element "string"/);
    expect(() => tensor(undefined as never)).toThrow(DTypeError);
  });

  it("refuses a shape that does not fit", () => {
    expect(() => tensor(new Float32Array(6), { shape: [2, 2] })).toThrow(
      /product must be the number of elements; got shape \[2, 2\], elements 6/,
    );
    expect(() => tensor([1], { shape: [-1, -1] })).toThrow(/non-negative integers/);
    expect(() => zeros([0.5])).toThrow(ShapeError);
    expect(() => zeros([2 ** 30, 2 ** 30])).toThrow(/too many elements/);
  });

  it("makes leaves of real dtypes only", () => {
    expect(tensor([1], { requiresGrad: true }).requiresGrad).toBe(true);
    expect(tensor([1], { requiresGrad: true, dtype: "float64" }).requiresGrad).toBe(true);
    for (const dtype of ["int32", "uint8", "bool", "float16", "bfloat16"] as const) {
      expect(() => tensor([1], { requiresGrad: true, dtype })).toThrow(/only float32 and float64 have gradients/);
      expect(() => ones([1], { requiresGrad: true, dtype })).toThrow(DTypeError);
    }
  });

  it("does not follow the array of a shape that changes later", () => {
    const shape = [2, 3];
    const [x, y] = [tensor(new Float32Array(6), { shape }), zeros(shape)];
    shape[0] = 9;
    expect([x.shape, y.shape]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });
});

describe("full, zeros, ones, eye", () => {
  it("fill, in every dtype", () => {
    expect(full([2, 2], 2.5).toArray()).toEqual([
      [2.5, 2.5],
      [2.5, 2.5],
    ]);
    for (const dtype of ["float32", "float64", "float16", "bfloat16", "int32", "uint8"] as const) {
      expect([zeros([2], { dtype }).toArray(), ones([2], { dtype }).toArray()]).toEqual([
        [0, 0],
        [1, 1],
      ]);
      expect(eye(2, 3, { dtype }).toArray()).toEqual([
        [1, 0, 0],
        [0, 1, 0],
      ]);
    }
    expect([ones([2], { dtype: "bool" }).toArray(), eye(2, 2, { dtype: "bool" }).toArray()]).toEqual([
      [true, true],
      [
        [true, false],
        [false, true],
      ],
    ]);
    expect([eye(3, 2).toArray(), eye(0).shape, full([], 3).item()]).toEqual([
      [
        [1, 0],
        [0, 1],
        [0, 0],
      ],
      [0, 0],
      3,
    ]);
  });

  it("refuse a value that the dtype does not hold", () => {
    expect(() => full([2], 0.5, { dtype: "int32" })).toThrow(DTypeError);
    expect(full([1], NaN).toArray()).toEqual([NaN]);
    expect(Object.is(full([1], -0).item(), -0), "a negative zero").toBe(true);
  });
});

describe("arange", () => {
  it("counts like Python's range", () => {
    expect(arange(4).toArray()).toEqual([0, 1, 2, 3]);
    expect(arange(2, 9, 3).toArray()).toEqual([2, 5, 8]);
    expect(arange(5, 0, -2).toArray()).toEqual([5, 3, 1]);
    expect([arange(0).shape, arange(3, 1).shape, arange(3).dtype]).toEqual([[0], [0], "int32"]);
  });

  it("counts in fractions as float32, without adding up errors", () => {
    const x = arange(0, 100, 0.1);
    expect([x.dtype, x.size]).toEqual(["float32", 1000]);
    expectClose(
      x,
      Float64Array.from({ length: 1000 }, (_, i) => i * 0.1),
      { rtol: 2 ** -23 },
    );
    expect(arange(0, 3, 1, { dtype: "float64" }).dtype).toBe("float64");
  });

  it("refuses a step of 0, and what is not finite", () => {
    expect(() => arange(0, 3, 0)).toThrow(/step not 0/);
    expect(() => arange(0, Infinity)).toThrow(ShapeError);
    expect(() => arange(NaN)).toThrow(ShapeError);
  });
});

describe("item and toArray", () => {
  it("give the only element, or an error that says so", () => {
    expect(tensor([[[4]]]).item()).toBe(4);
    expect(() => tensor([1, 2]).item()).toThrow(/exactly one element; got shape \[2\]/);
    expect(() => tensor([]).item()).toThrow(ShapeError);
  });
});
