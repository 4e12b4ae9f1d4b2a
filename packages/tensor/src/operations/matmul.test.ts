import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyInto } from "../core/compute.ts";
import { tensor, zeros } from "../core/construct.ts";
import { resident } from "../core/resident.ts";
import { memory } from "../core/scope.ts";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { inFloat64 } from "../reference/in-float64.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { einsum } from "./einsum.ts";
import { matmul, product } from "./matmul.ts";
import { expand, reshape, slice, transpose } from "./views.ts";

const swapped = (x: Tensor, swap: unknown) => (swap === true ? x.transpose() : x);

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "matmul" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const { transpose_a, transpose_b } = stored.options;
      expectGolden(stored, ({ inputs: { a, b } }) => ({ y: matmul(swapped(a, transpose_a), swapped(b, transpose_b)) }));
    }),
  );

  it.each(loadGolden("tensor", { op: "einsum" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectGolden(stored, ({ inputs }) => ({ y: einsum(stored.options.equation as string, ...Object.values(inputs)) }));
    }),
  );

  it("agrees with the float64 reference on broadcast, permuted and empty operands", () =>
    use(() => {
      const length = fc.integer({ min: 0, max: 4 });
      const batch = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom("both", "a", "b", "neither")), { maxLength: 3 });
      fc.assert(
        fc.property(batch, length, length, length, fc.integer({ min: 0, max: 3 }), fc.nat(9), (axes, m, k, n, layout, seed) => {
          const lengths = (side: string) => axes.map(([size, who]) => (who === "both" || who === side ? size : 1));
          const a = stored([...lengths("a"), m, k], seed, layout & 1);
          const b = stored([...lengths("b"), k, n], seed + 1, layout & 2);
          const y = matmul(a, b);
          expect(y.shape).toEqual([...axes.map(([size, who]) => (who === "neither" ? 1 : size)), m, n]);
          expectClose(y, inFloat64(matmul, a, b), 4 * (k + 1) * 2 ** -24);
          const to = axes.map(([size, who], i) => (who === "neither" || (i + seed) % 2 === 0 ? 1 : size));
          const rows = sizeOf(lengths("")) * 27 * (k + 1);
          expectClose(
            product("matmul", a, b, to),
            inFloat64((p, q) => product("matmul", p, q, to), a, b),
            rows * 2 ** -24,
          );
        }),
        { numRuns: 60, seed: 1 },
      );
    }));
});

/** The same values either dense, or with all axes stored in reverse. */
function stored(shape: number[], seed: number, reversed: number): Tensor {
  const axes = shape.map((_, axis) => axis).reverse();
  return reversed ? randomTensor([...shape].reverse(), seed).permute(axes) : randomTensor(shape, seed);
}

it("multiplies as its definition says", () => {
  const [a, b] = [randomTensor([2, 3], 1), randomTensor([3, 5], 2)];
  const [x, y] = [a.toTypedArray(), b.toTypedArray()];
  const expected = Array.from({ length: 2 }, (_, i) =>
    Array.from({ length: 5 }, (__, j) => x[3 * i] * y[j] + x[3 * i + 1] * y[5 + j] + x[3 * i + 2] * y[10 + j]),
  );
  expectClose(matmul(a, b), expected, 4 * 2 ** -24);
});

describe("has the gradient of its central differences", () => {
  it.each([
    [
      [2, 3],
      [3, 5],
    ],
    [[3], [3, 5]],
    [[2, 3], [3]],
    [[3], [3]],
    [
      [7, 2, 3],
      [3, 5],
    ],
    [
      [2, 3],
      [7, 3, 5],
    ],
    [
      [2, 1, 3, 2],
      [3, 2, 5],
    ],
    [
      [2, 1, 2, 2],
      [1, 3, 2, 2],
    ],
    [
      [1, 3],
      [3, 1],
    ],
  ])("for shapes %j and %j", (a, b) => {
    expectGradient(matmul, [a, b], { second: true });
  });

  it("for permuted operands", () => {
    expectGradient(
      (q, k) => matmul(q.permute([0, 2, 1, 3]), k.permute([0, 2, 3, 1])),
      [
        [2, 3, 2, 5],
        [2, 1, 2, 5],
      ],
      { second: true },
    );
  });

  it.each([
    [
      "bi,oij,bj->bo",
      [
        [2, 3],
        [5, 3, 2],
        [2, 2],
      ],
    ],
    ["ii->", [[3, 3]]],
    ["bii->bi", [[2, 3, 3]]],
    [
      "...ij,...jk->...ik",
      [
        [2, 1, 2, 3],
        [2, 3, 2],
      ],
    ],
    [
      "...i,...i->i",
      [
        [2, 1, 3],
        [2, 3],
      ],
    ],
    [
      "ij,ij->j",
      [
        [2, 3],
        [2, 3],
      ],
    ],
    ["i,j->", [[2], [3]]],
    [
      "abc,cd->dab",
      [
        [2, 3, 2],
        [2, 5],
      ],
    ],
  ])("for einsum %s", (equation, shapes) => {
    expectGradient((...operands) => einsum(equation, ...operands), shapes, { second: true });
  });
});

it("gives zeros for an empty sum", () => {
  expectClose(matmul(zeros([2, 0]), zeros([0, 3])), zeros([2, 3]), 0);
});

it("says which shapes do not fit", () => {
  expect(() => matmul(zeros([2, 3]), zeros([2, 3]))).toThrow(
    /matmul: the last axis of a and the last but one of b.*got a \[2, 3\], b \[2, 3\].*Transpose/,
  );
  expect(() => matmul(zeros([2, 3, 4]), zeros([3, 4, 5]))).toThrow(/matmul: shapes must broadcast/);
  expect(() => matmul(zeros([]), zeros([3]))).toThrow(/matmul: operands must have at least one axis/);
  expect(() => matmul(zeros([2, 3]), zeros([3, 2], { dtype: "float64" }))).toThrow(/matmul: dtypes must agree/);
});

it("says what is wrong with an equation", () => {
  const [x, y] = [zeros([2, 3]), zeros([3, 4])];
  expect(() => einsum("ij,jk->ik", x)).toThrow(/the equation names 2 operands, but 1 came/);
  expect(() => einsum("ij->ij->i", x)).toThrow(/einsum: the equation has letters/);
  expect(() => einsum("i.j->ij", x)).toThrow(/an ellipsis is three dots/);
  expect(() => einsum("ijk->i", x)).toThrow(/operand 0 must have an axis for each letter/);
  expect(() => einsum("i->i", x)).toThrow(/operand 0 must have an axis for each letter/);
  expect(() => einsum("ij->ii", x)).toThrow(/a letter stands once in the result/);
  expect(() => einsum("ij->iz", x)).toThrow(/every letter of the result stands in an operand/);
  expect(() => einsum("ij,kj->ik", x, y)).toThrow(
    /letter j must have one length; got equation "ij,kj->ik", operand 0 \[2, 3\], operand 1 \[3, 4\]/,
  );
});

it("packs a resident second factor once for all calls between two writes, with the same bits, whichever views of it are read", () => {
  const before = memory().liveBytes;
  const [left, wide] = [randomTensor([40, 80], 1), randomTensor([2, 20, 80], 4)];
  const [one, other] = [2, 3].map((seed) => randomTensor([80, 80], seed));
  const b = tensor(one.toTypedArray(), { shape: [80, 80] });
  const owner = resident([b]);
  const bytes = () => memory().liveBytes - before;
  const plain = 4 * 80 * 80;
  const views = [
    (x: Tensor) => x,
    (x: Tensor) => transpose(x),
    ...[0, 1].map((row) => (x: Tensor) => expand(slice(x, 0, row, row + 1), [80, 80])),
  ];
  const check = (like: Tensor) => {
    for (const view of views) {
      const expected = [left, wide].map((a) => matmul(a, view(like)).toArray());
      for (let call = 0; call < 3; call++) expect([left, wide].map((a) => matmul(a, view(b)).toArray())).toEqual(expected);
    }
  };
  matmul(left, b);
  expect(bytes()).toBe(plain);
  matmul(reshape(left, [1, 40, 80]), b);
  expect(bytes()).toBe(2 * plain);
  check(one);
  copyInto(b, other);
  expect(bytes()).toBe(plain);
  check(other);
  // Few rows, and a small factor, are not packed by the kernel either; what learns changes with each step.
  copyInto(b, one);
  for (let call = 0; call < 3; call++) matmul(slice(left, 0, 0, 32), b);
  const small = tensor(randomTensor([80, 64], 5).toTypedArray(), { shape: [80, 64] });
  const its = resident([small]);
  for (let call = 0; call < 3; call++) matmul(left, small);
  expect(bytes()).toBe(plain + 4 * 80 * 64);
  its.release();
  const learned = tensor(one.toTypedArray(), { shape: [80, 80], requiresGrad: true });
  const second = resident([learned]);
  for (let call = 0; call < 3; call++) matmul(left, learned);
  expect(bytes()).toBe(2 * plain);
  second.release();
  owner.release();
  expect(bytes()).toBe(0);
});
