import { describe, expect, it } from "vitest";
import { causal, padding } from "@heed/masks";
import { abs, concat, matmul, max, mean, mul, ones, randomKey, slice, square, sub, transpose, type Tensor } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { attention } from "../attention.ts";
import { orthogonalFeatures, performer } from "../linear-time.ts";

const key = randomKey(7);

describe("orthogonalFeatures", () => {
  it("are orthogonal within a block, and as long as normal rows", () => {
    const rows = orthogonalFeatures(key, 10, 4, { dtype: "float64" });
    const products = matmul(rows, transpose(rows)).toArray() as number[][];
    products.forEach((row, i) =>
      row.forEach((product, j) => {
        if (i !== j && Math.floor(i / 4) === Math.floor(j / 4)) expect(Math.abs(product)).toBeLessThan(1e-12);
      }),
    );
    // |w|² has mean D and variance 2 D: its mean over n rows lies within 5 deviations.
    const [n, D] = [4000, 4];
    const many = orthogonalFeatures(key, n, D, { dtype: "float64" }).toTypedArray();
    const mean = Array.from(many).reduce((total, x) => total + x * x, 0) / n;
    expect(Math.abs(mean - D)).toBeLessThan(5 * Math.sqrt((2 * D) / n));
  });

  it("are the same for the same key", () => {
    expectClose(orthogonalFeatures(key, 5, 3), orthogonalFeatures(key, 5, 3));
    expect(() => orthogonalFeatures(key, 0, 3)).toThrow(/numFeatures must be a whole number from 1 on/);
  });
});

/**
 * With a the softmax weights and ε_j the relative errors of φ(q) · φ(k_j), the error is Σ a_j ε_j (v_j − y) / (1 + Σ a_j ε_j). By Jensen
 * (Σ a_j |ε_j|)² ≤ Σ a_j ε_j², whose mean is at most σ² = (e^{r²} − 1) / M, r ≥ |q′ + k′|; so Σ a_j |ε_j| ≤ t σ but for one draw in t²
 * (Chebyshev), and then the error is at most t σ / (1 − t σ) · max |v_j − y|.
 */
describe("converges to softmax attention", () => {
  const [D, L] = [4, 9];
  const [q, k] = [1, 2].map((seed) => randomTensor([2, 2, L, D], seed, { low: -0.7, high: 0.7 })) as [Tensor, Tensor];
  const v = randomTensor([2, 2, L, 3], 3);
  const r = 2 * 0.7 * Math.sqrt(D) * D ** -0.25; // The longest that q′ + k′ can be.

  it.each([
    ["with all keys", {}],
    ["causally", { mask: causal() }],
    ["with padding", { mask: padding([7, 4]) }],
  ])("%s, within the bound above", (_, options) => {
    const exact = attention(q, k, v, options);
    const meanSquares = [2 ** 12, 2 ** 15].map((M) => {
      const spread = 6 * Math.sqrt(Math.expm1(r * r) / M);
      expect(spread).toBeLessThan(0.7);
      const squares = [1, 2, 3].map((seed) => {
        const of = { ...options, key: key.split(M).split(seed), numFeatures: M, form: "parallel" } as const;
        const off = abs(sub(performer(q, k, v, of), exact));
        expect(max(off).item()).toBeLessThan((2 * spread) / (1 - spread));
        return mean(square(off)).item() as number;
      });
      return squares.reduce((total, each) => total + each);
    });
    // Eight times the features: an eighth of the mean square, on average over draws; half is asked for.
    expect(meanSquares[1]).toBeLessThan(meanSquares[0]! / 2);
  });
});

it("has forms that agree", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => randomTensor([1, 1, 150, 4], seed)) as [Tensor, Tensor, Tensor];
  const of = (form: "chunked" | "parallel" | "recurrent") => performer(q, k, v, { key, numFeatures: 140, mask: causal(), form });
  expectClose(of("chunked"), of("parallel"), 1e-5);
  expectClose(of("chunked"), of("recurrent"), 1e-5);
});

it("takes the exponent of keys that are there only", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => randomTensor([1, 1, 5, 4], seed)) as [Tensor, Tensor, Tensor];
  const huge = concat([slice(k, -2, 0, 3), mul(ones([1, 1, 2, 4]), 1e4)], -2);
  const options = { key, numFeatures: 16, mask: padding([3]) };
  expectClose(performer(q, huge, v, options), performer(q, k, v, options), 1e-6);
});

it.each(["softmax", "relu"] as const)("has the gradient of its central differences: %s", (kernel) => {
  const directions = kernel === "relu" ? undefined : orthogonalFeatures(key, 6, 3);
  const options = { kernel, ...(directions === undefined ? { key, numFeatures: 6 } : { directions }) };
  const shapes = [
    [1, 2, 4, 3],
    [1, 1, 4, 3],
    [1, 1, 4, 2],
  ];
  expectGradient((q, k, v) => performer(q, k, v, options), shapes);
  expectGradient((q, k, v) => performer(q, k, v, { ...options, mask: causal() }), shapes);
});

it("says what it needs", () => {
  const x = ones([1, 1, 2, 3]);
  // @ts-expect-error a key, or directions
  expect(() => performer(x, x, x, {})).toThrow(/either a key or directions/);
  // @ts-expect-error one of both
  expect(() => performer(x, x, x, { key, directions: ones([2, 3]) })).toThrow(/either a key or directions/);
  expect(() => performer(x, x, x, { directions: ones([2, 4]) })).toThrow(/directions must be \[M, D\]/);
  // @ts-expect-error directions have their own number
  expect(() => performer(x, x, x, { directions: ones([2, 3]), numFeatures: 2 })).toThrow(/numFeatures goes with key/);
  expect(() => performer(x, x, x, { key, eps: Number.NaN })).toThrow(/eps must be finite/);
  expect(performer(x, x, x, { key }).shape).toEqual([1, 1, 2, 3]);
});
