import { configuration, configure } from "@heed/kernels";
import { describe, expect, it } from "vitest";
import { tensor } from "../core/construct.ts";
import { record } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "../operations/arithmetic.ts";
import { exp } from "../operations/exponential.ts";
import { square } from "../operations/powers.ts";
import { topK } from "../operations/top-k.ts";
import { eachBackend } from "./each-backend.ts";
import { expectClose } from "./expect-close.ts";
import { expectGradient } from "./expect-gradient.ts";
import { loadGolden } from "./load-golden.ts";
import { randomTensor } from "./random-tensor.ts";

describe("expectClose", () => {
  it("accepts what lies within atol + rtol · |expected|, tensors or arrays", () => {
    expectClose([1, 2], tensor([1.01, 2.01]), 0.02);
    expectClose(tensor([[100]]), [[101]], { rtol: 0.01 });
    expectClose(new Float32Array([1, 2]), [1, 2]);
    expectClose(tensor([true]), [true]);
    expectClose(3, 3.5, 0.5);
  });

  it("says how many differ, and shows the first and the worst", () => {
    expect(() =>
      expectClose(
        [
          [0, 1],
          [2, 3],
        ],
        [
          [0, 1.5],
          [2, 5],
        ],
        0.1,
      ),
    ).toThrow(
      "2 of 4 elements differ by more than atol 0.1 + rtol 0 · |expected| (shape [2, 2])\n" +
        "  first at [0, 1] actual 1, expected 1.5, difference 0.5, allowed 0.1\n" +
        "  worst at [1, 1] actual 3, expected 5, difference 2, allowed 0.1",
    );
  });

  it("tells shapes apart", () => {
    expect(() => expectClose([[1, 2]], [1, 2])).toThrow("shapes differ: actual [1, 2], expected [2]");
  });

  it("takes NaN for NaN only, and an infinity for itself only", () => {
    expectClose([NaN, Infinity, -Infinity], [NaN, Infinity, -Infinity]);
    for (const [actual, expected] of [
      [NaN, 0],
      [0, NaN],
      [Infinity, -Infinity],
      [1e30, Infinity],
      [Infinity, 1e30],
      [NaN, Infinity],
    ]) {
      expect(() => expectClose([actual], [expected], { rtol: 1e9, atol: 1e9 })).toThrow("1 of 1 elements");
    }
  });
});

describe("expectGradient", () => {
  it("accepts a right gradient, of several results and inputs", () => {
    expectGradient((x, y) => ({ product: mul(x, y), more: [exp(x)] }), [[2, 3], [3]], { second: true });
  });

  it("refuses a wrong gradient, and says of which input", () => {
    const wrong = (x: Tensor, y: Tensor) => record("wrong", mul(x.detach(), y.detach()), [x, y], [x, y], (g) => [mul(g, y), mul(g, y)]);
    expect(() => expectGradient(wrong, [[3], [3]])).toThrow(/gradient by input 1, by backward: 3 of 3 elements differ/);
  });

  it("refuses a missing gradient", () => {
    expect(() => expectGradient((x) => exp(x.detach()), [[3]])).toThrow(/nothing was recorded/);
    expect(() => expectGradient((x, y) => mul(x, exp(y.detach())), [[3], [3]])).toThrow(/gradient by input 1/);
  });

  it("refuses a rule that reads what it did not save", () => {
    const forgetful = (x: Tensor) => {
      const y = exp(x.detach());
      return record("forgetful", mul(y, 1), [x], [], (g) => [mul(g, y)]);
    };
    expect(() => expectGradient(forgetful, [[3]])).toThrow(/in a scope that ends before backward|scope has ended/);
  });

  it("refuses a wrong second gradient where asked", () => {
    const flat = (x: Tensor): Tensor => record("flat", square(x.detach()), [x], [x], (g) => [mul(g, mul(x.detach(), 2))]);
    expectGradient(flat, [[3]]);
    expect(() => expectGradient(flat, [[3]], { second: true })).toThrow(/second gradient by input 0/);
  });

  it("hands integers on", () => {
    const ids = tensor([2, 0], { dtype: "int32" });
    expectGradient(
      (x, given) => {
        expect(given).toBe(ids);
        return mul(x, x);
      },
      [[2], ids],
    );
    expectGradient((x) => topK(x, 2), [[5]]);
  });
});

describe("eachBackend", () => {
  it("starts with the reference, and puts the configuration back after errors too", () => {
    const before = { ...configuration() };
    const names = eachBackend().map(({ name }) => name);
    expect(names[0]).toBe("reference");
    configure({ precision: "deterministic" });
    for (const { name, use } of eachBackend()) {
      expect(() =>
        use(() => {
          expect(configuration().backend).toBe(name);
          throw new Error("inside");
        }),
      ).toThrow("inside");
      expect(configuration()).toMatchObject({ precision: "deterministic", backend: before.backend });
    }
    configure(before);
  });
});

describe("randomTensor", () => {
  it("repeats by seed, within bounds, away from zero where asked", () => {
    expect(randomTensor([5], 1).toArray()).toEqual(randomTensor([5], 1).toArray());
    expect(randomTensor([5], 1).toArray()).not.toEqual(randomTensor([5], 2).toArray());
    const far = [...randomTensor([100], 3, { low: -1, high: 1, awayFromZero: 0.5 }).toTypedArray()];
    expect(Math.min(...far.map(Math.abs))).toBeGreaterThanOrEqual(0.5);
    expect(new Set(far.map(Math.sign)).size).toBe(2);
    expect([...randomTensor([50], 4, { dtype: "int32", low: 0, high: 3 }).toTypedArray()].sort()).toEqual(
      expect.arrayContaining([0, 1, 2]),
    );
  });
});

describe("loadGolden", () => {
  it("reads inputs, results, gradients and tolerances", () => {
    const [first] = loadGolden("tensor", { op: "matmul" });
    expect(first).toMatchObject({ name: "matmul_vector_vector", op: "matmul", tier: "core" });
    expect(first.source).toMatch(/^torch \d/);
    expect(first.inputs.a.shape).toEqual([7]);
    expect(first.output.shape).toEqual([]);
    expect(first.tolerance).toEqual({ rtol: 1e-5, atol: 5e-6 });
    expect(first.toleranceOf("grad.a").atol).toBeGreaterThan(0);
  });
  it("refuses to find nothing", () => {
    expect(() => loadGolden("tensor", { op: "no_such_op" })).toThrow(/loadGolden: the folder has no such case/);
  });
});
