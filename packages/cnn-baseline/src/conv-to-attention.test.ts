import { describe, expect, it } from "vitest";
import { conv2d, slice, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { convToAttention } from "./index.ts";

/** Without a frame of so many pixels. */
const interior = (x: Tensor, rows: number, columns: number): Tensor =>
  slice(slice(x, 2, rows, x.shape[2]! - rows), 3, columns, x.shape[3]! - columns);

describe.each(eachBackend())("convToAttention on $name", ({ use }) => {
  // 3 · 3 · C products of numbers below 1: their rounding, 2⁻²⁴ each, stays far below 1e-4, and other pixels get e^−46.
  it.each([
    ["3 × 3", [3, 2, 3, 3], [2, 2, 6, 7]],
    ["5 × 3", [2, 3, 5, 3], [1, 3, 7, 5]],
    ["1 × 1", [2, 2, 1, 1], [1, 2, 4, 5]],
  ])("reproduces a random %s convolution", (_, kernel, image) => {
    use(() => {
      const [weight, bias, x] = [randomTensor(kernel, 1), randomTensor([kernel[0]!], 2), randomTensor(image, 3)];
      const ring = [(kernel[2]! - 1) / 2, (kernel[3]! - 1) / 2] as const;
      const expected = conv2d(x, weight, { bias, padding: ring });
      const converted = convToAttention(weight, { bias });
      expectClose(interior(converted.forward(x), ...ring), interior(expected, ...ring), 1e-5);
      expectClose(converted.forward(x, { border: "zeros" }), expected, 1e-5);
    });
  });
});

it("does so for an image of 32 × 32, whose scores reach 10⁵", () => {
  const [weight, x] = [randomTensor([2, 1, 3, 3], 1), randomTensor([1, 1, 32, 32], 3)];
  expectClose(interior(convToAttention(weight).forward(x), 1, 1), conv2d(x, weight), 1e-5);
});

it("is no convolution any more where alpha is small", () => {
  const [weight, x] = [randomTensor([1, 1, 3, 3], 1), randomTensor([1, 1, 6, 6], 3)];
  expect(() => expectClose(interior(convToAttention(weight, { alpha: 0.5 }).forward(x), 1, 1), conv2d(x, weight), 1e-2)).toThrow(
    /elements differ/,
  );
});

it("has the convolution's gradients", () => {
  expectGradient((image, weight, bias) => convToAttention(weight, { bias, alpha: 3 }).forward(image), [[1, 2, 4, 3], [2, 2, 3, 3], [2]]);
});

it("says what does not fit", () => {
  const weight = randomTensor([2, 3, 3, 3], 1);
  expect(() => convToAttention(randomTensor([2, 3, 2, 3], 1))).toThrow(/odd kh and kw; got weight \[2, 3, 2, 3\]/);
  expect(() => convToAttention(weight, { bias: randomTensor([3], 1) })).toThrow(/bias must be \[O\]/);
  expect(() => convToAttention(weight, { alpha: 0 })).toThrow(/alpha must be above 0/);
  expect(() => convToAttention(weight).forward(randomTensor([1, 2, 4, 4], 1))).toThrow(/image must be \[B, C, H, W\]/);
});
