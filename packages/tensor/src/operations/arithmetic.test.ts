import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import type { Tensor } from "../core/tensor.ts";
import { inFloat64 } from "../reference/in-float64.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { abs } from "./abs.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import type { Operand } from "./binary.ts";
import { cast } from "./cast.ts";
import { equal, greater, greaterEqual, less, lessEqual, notEqual } from "./comparisons.ts";
import { maximum, minimum } from "./extrema.ts";
import { logicalAnd, logicalNot, logicalOr, logicalXor } from "./logical.ts";
import { pow } from "./powers.ts";
import { maskedFill, where } from "./where.ts";

const functions: Readonly<Record<string, (a: Operand, b: Operand) => Tensor>> = { add, sub, mul, div, pow, maximum, minimum };
const comparisons: Readonly<Record<string, [(a: Operand, b: Operand) => Tensor, (a: number, b: number) => boolean]>> = {
  greater: [greater, (a, b) => a > b],
  greaterEqual: [greaterEqual, (a, b) => a >= b],
  less: [less, (a, b) => a < b],
  lessEqual: [lessEqual, (a, b) => a <= b],
  equal: [equal, (a, b) => a === b],
  notEqual: [notEqual, (a, b) => a !== b],
};

/** Two shapes that broadcast: lengths, and who stretches where; the second may be shorter. */
const broadcasting = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom("both", "a", "b")), { maxLength: 4 }),
    fc.nat(2),
    fc.nat(7),
    fc.nat(9),
  )
  .map(([axes, dropped, layout, seed]) => {
    const lengths = (side: string) => axes.map(([length, who]) => (who === "both" || who === side ? length : 1));
    const long = lengths("a").map((length, i) => (i < dropped ? axes[i][0] : length));
    return { shapes: [long, lengths("b").slice(dropped)], result: axes.map(([length]) => length), layout, seed };
  });

function stored(shape: readonly number[], seed: number, reversed: number, options = {}): Tensor {
  const axes = shape.map((_, axis) => axis).reverse();
  return reversed ? randomTensor([...shape].reverse(), seed, options).permute(axes) : randomTensor(shape, seed, options);
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "binary" }))("agrees with $source on $name", (golden) =>
    use(() => {
      expectGolden(golden, ({ inputs: { a, b } }) => ({ y: functions[golden.options.fn as string](a, b) }));
    }),
  );

  it.each(loadGolden("tensor", { op: ["where", "masked_fill"] }))("agrees with $source on $name", (golden) =>
    use(() => {
      const { value } = golden.options as { value: number | "-inf" };
      expectGolden(golden, ({ inputs: { x, mask, cond, a, b } }) => ({
        y: golden.op === "where" ? where(cond, a, b) : maskedFill(x, mask, value === "-inf" ? -Infinity : value),
      }));
    }),
  );

  it.each(Object.entries(functions))("%s broadcasts as the float64 reference does, over any layout", (name, f) =>
    use(() => {
      fc.assert(
        fc.property(broadcasting, ({ shapes: [p, q], result, layout, seed }) => {
          const [a, b] = [stored(p, seed, layout & 1, { low: 0.5, high: 2 }), stored(q, seed + 1, layout & 2, { low: 0.5, high: 2 })];
          const y = f(a, b);
          expect(y.shape).toEqual(result);
          expectClose(y, inFloat64(f, a, b), { rtol: name === "pow" ? 2 ** -20 : 2 ** -23 });
          expectClose(
            f(a, 1.5),
            inFloat64((at) => f(at, 1.5), a),
            { rtol: name === "pow" ? 2 ** -20 : 2 ** -23 },
          );
          expectClose(
            f(0.5, b),
            inFloat64((at) => f(0.5, at), b),
            { rtol: name === "pow" ? 2 ** -20 : 2 ** -23 },
          );
        }),
        { numRuns: 40, seed: 1 },
      );
    }),
  );

  it.each(Object.entries(comparisons))("%s compares float32, float64 and int32", (_, [f, one]) =>
    use(() => {
      const values = [-1, 0, 1, 2, NaN];
      const pairs = values.flatMap((a) => values.map((b) => [a, b]));
      const [a, b] = [0, 1].map((side) => pairs.map((pair) => pair[side]));
      expect(f(tensor(a), tensor(b)).toArray()).toEqual(pairs.map(([x, y]) => one(x, y)));
      expect(f(tensor(a, { dtype: "float64" }), 1).toArray()).toEqual(a.map((x) => one(x, 1)));
      const whole = values.slice(0, 4);
      expect(f(tensor(whole, { dtype: "int32" }), 1).toArray()).toEqual(whole.map((x) => one(x, 1)));
      expect(f(0, tensor(whole, { dtype: "int32" })).toArray()).toEqual(whole.map((x) => one(0, x)));
    }),
  );

  it("where chooses over any broadcasting and layout, in every dtype", () =>
    use(() => {
      fc.assert(
        fc.property(
          broadcasting,
          fc.constantFrom("float32", "float64", "int32", "uint8", "bool"),
          ({ shapes: [p, q], result, layout, seed }, dtype) => {
            const options = { dtype, low: 0, high: 9 };
            const [condition, a] = [stored(p, seed, layout & 1, { dtype: "bool" }), stored(q, seed + 1, layout & 2, options)];
            const b = stored(result, seed + 2, layout & 4, options);
            const dense = (x: Tensor) => x.expand(result).toTypedArray();
            const expected = dense(condition).map((yes: number, i: number) => (yes ? dense(a)[i] : dense(b)[i]));
            const y = where(condition, a, b);
            expect([y.shape, y.dtype]).toEqual([result, dtype]);
            expect([...y.toTypedArray()]).toEqual(Array.from(expected, (_, i) => (dense(condition)[i] ? dense(a)[i] : dense(b)[i])));
          },
        ),
        { numRuns: 60, seed: 1 },
      );
    }));

  it("computes with int32, modulo 2³²", () =>
    use(() => {
      const [a, b] = [tensor([7, -3, 2 ** 31 - 1], { dtype: "int32" }), tensor([2, 5, 1], { dtype: "int32" })];
      expect(add(a, b).toArray()).toEqual([9, 2, -(2 ** 31)]);
      expect(sub(a, 1).toArray()).toEqual([6, -4, 2 ** 31 - 2]);
      expect(mul(a, b).toArray()).toEqual([14, -15, 2 ** 31 - 1]);
      expect(maximum(a, b).toArray()).toEqual([7, 5, 2 ** 31 - 1]);
      expect(minimum(0, b.neg()).toArray()).toEqual([-2, -5, -1]);
    }));

  it("combines booleans", () =>
    use(() => {
      const [a, b] = [tensor([[true], [false]]), tensor([true, false])];
      expect(logicalAnd(a, b).toArray()).toEqual([
        [true, false],
        [false, false],
      ]);
      expect(logicalOr(a, b).toArray()).toEqual([
        [true, true],
        [true, false],
      ]);
      expect(logicalXor(a, b).toArray()).toEqual([
        [false, true],
        [true, false],
      ]);
      expect(logicalNot(a.transpose()).toArray()).toEqual([[false, true]]);
    }));
});

describe("has the gradient of its central differences", () => {
  const shapes = [
    [2, 3, 5],
    [3, 1],
  ];
  it.each(Object.entries(functions))("%s, broadcast, and with a number on either side", (_, f) => {
    const [a, b] = [randomTensor(shapes[0], 1, { low: 0.5, high: 2 }), randomTensor(shapes[1], 2, { low: 0.6, high: 1.9 })];
    expectGradient(f, [a, b], { second: true });
    expectGradient((x) => f(x, 1.25), [a], { second: true });
    expectGradient((x) => f(1.25, x), [a], { second: true });
  });
  it("neg, and one tensor on both sides", () => {
    expectGradient((x) => mul(neg(x), x), [[2, 3]], { second: true });
    expectGradient((x) => div(x, add(x, x)), [randomTensor([2, 3], 1, { awayFromZero: 0.5 })], { second: true, tolerance: 1e-6 });
  });
  it("where and maskedFill, of broadcast and equal sides", () => {
    const condition = tensor([[true], [false], [true]]);
    expectGradient((a, b) => where(condition, a, b), [[2, 3, 5], [5]], { second: true });
    expectGradient((a) => where(condition, a, a.mul(2)), [[3, 5]]);
    expectGradient((a) => where(condition, 3, a), [[3, 5]]);
    expectGradient((a) => where(condition, a.transpose(), a.transpose()), [[5, 3]]);
    expectGradient((x) => maskedFill(x, condition, -7), [[2, 3, 5]], { second: true });
  });
  it("maximum of far sides, and minimum of views", () => {
    expectGradient(
      (a, b) => minimum(a.transpose(), b),
      [
        [5, 3],
        [3, 5],
      ],
    );
  });
});

describe("edges", () => {
  it("sides that tie share the gradient of maximum and minimum by halves", () => {
    for (const f of [maximum, minimum]) {
      const [a, b] = [tensor([2, 1], { requiresGrad: true }), tensor([2, 2], { requiresGrad: true })];
      f(a, b).backward(tensor([4, 4]));
      expect(a.grad!.toArray()).toEqual(f === maximum ? [2, 0] : [2, 4]);
      expect(b.grad!.toArray()).toEqual(f === maximum ? [2, 4] : [2, 0]);
    }
  });
  it("NaN wins in maximum and minimum", () => {
    expect(maximum(tensor([NaN, 1]), tensor([1, NaN])).toArray()).toEqual([NaN, NaN]);
    expect(minimum(tensor([NaN, 1]), 0).toArray()).toEqual([NaN, 0]);
  });
  it("what where does not choose does no harm, in gradients too", () => {
    const x = tensor([0, 4], { requiresGrad: true });
    const safe = equal(x, 0);
    const y = where(safe, 1, div(8, where(safe, 1, x)));
    y.backward(tensor([1, 1]));
    expect(y.toArray()).toEqual([1, 2]);
    expect(x.grad!.toArray()).toEqual([0, -0.5]);
  });
  it("0^y has gradient 0 by y", () => {
    const y = tensor([2, 0], { requiresGrad: true });
    pow(tensor([0, 0]), y).backward(tensor([1, 1]));
    expect(y.grad!.toArray()).toEqual([0, 0]);
  });
  it("division by zero is IEEE's", () => {
    expect(div(tensor([1, -1, 0]), 0).toArray()).toEqual([Infinity, -Infinity, NaN]);
  });
});

describe("cast", () => {
  it("takes every dtype to every other", () => {
    const dtypes = ["float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool"] as const;
    for (const from of dtypes) {
      for (const to of dtypes) {
        const y = cast(
          tensor(
            [
              [0, 1],
              [1, 0],
            ],
            { dtype: from },
          ).transpose(),
          to,
        );
        expect([y.dtype, [...y.toTypedArray()]]).toEqual([to, [0, 1, 1, 0]]);
      }
    }
  });
  it("rounds, truncates, saturates, and takes NaN to true", () => {
    expect(cast(tensor([2.7, -2.7, NaN, 1e20, -1e20]), "int32").toArray()).toEqual([2, -2, 0, 2 ** 31 - 1, -(2 ** 31)]);
    expect(cast(tensor([0, -0, 0.1, NaN]), "bool").toArray()).toEqual([false, false, true, true]);
    expect(cast(tensor([-0, 3], { dtype: "float16" }), "bool").toArray()).toEqual([false, true]);
    expect(cast(tensor([1 + 2 ** -11, 65520]), "float16").toArray()).toEqual([1, Infinity]);
    expect(cast(tensor([300], { dtype: "int32" }), "uint8").toArray()).toEqual([44]);
  });
  it("has a gradient between float32 and float64", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    cast(x, "float64").backward(tensor([3, 4], { dtype: "float64" }));
    expect([x.grad!.dtype, x.grad!.toArray()]).toEqual(["float32", [3, 4]]);
  });
  it("is nothing for a tensor that has the dtype", () => {
    const x = tensor([1]);
    expect(cast(x, "float32")).toBe(x);
  });
});

it("says which dtype or shape does not fit", () => {
  expect(() => add(tensor([1]), tensor([1], { dtype: "int32" }))).toThrow(
    /add: dtypes must agree: nothing is promoted silently; got a "float32", b "int32"/,
  );
  expect(() => add(zeros([2, 3]), zeros([2]))).toThrow(/add: shapes must broadcast.*got a \[2, 3\], b \[2\]/);
  expect(() => div(tensor([1], { dtype: "int32" }), 2)).toThrow(/div: works on float32 and float64; got dtype "int32"/);
  expect(() => mul(tensor([true]), tensor([true]))).toThrow(/mul: works on float32, float64 and int32; got dtype "bool"/);
  expect(() => where(tensor([1]), 1, tensor([2]))).toThrow(/where: the condition must be bool/);
  expect(() => maskedFill(zeros([3]), tensor([[true], [false]]), 0)).toThrow(/maskedFill: the mask must broadcast to the shape of x/);
  expect(() => logicalNot(abs(tensor([1])))).toThrow(/logicalNot: works on bool/);
  expect(() => cast(tensor([1]), "complex64" as never)).toThrow(/cast: dtype is one of float16, bfloat16, float32/);
});
