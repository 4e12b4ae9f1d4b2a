import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { profileKernels } from "@heed/kernels";
import { tensor, zeros } from "../core/construct.ts";
import { memory, scope } from "../core/scope.ts";
import { grad } from "../core/tape.ts";
import type { Tensor } from "../core/tensor.ts";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { mul } from "./arithmetic.ts";
import { conv2d } from "./conv2d.ts";
import { sum } from "./sum.ts";
import { cast } from "./cast.ts";
import { flip } from "./flip.ts";
import { permute, reshape, transpose } from "./views.ts";

type Pair = [number, number];
interface Options {
  stride: Pair;
  padding: Pair;
  dilation: Pair;
  groups: number;
}

/** The definition, element by element. */
function plain(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { stride, padding, dilation, groups }: Options,
  before = padding,
): Tensor {
  const [B, C, H, W] = x.shape;
  const [O, Cg, kh, kw] = weight.shape;
  const outH = Math.floor((H + 2 * padding[0] - dilation[0] * (kh - 1) - 1) / stride[0]) + 1;
  const outW = Math.floor((W + 2 * padding[1] - dilation[1] * (kw - 1) - 1) / stride[1]) + 1;
  const [values, weights, shifts] = [x, weight, bias].map((t) => t?.toTypedArray());
  const out = new Float64Array(B * O * outH * outW);
  let at = 0;
  for (let b = 0; b < B; b++)
    for (let o = 0; o < O; o++)
      for (let r = 0; r < outH; r++)
        for (let s = 0; s < outW; s++) {
          let total = shifts === undefined ? 0 : shifts[o];
          for (let c = 0; c < Cg; c++)
            for (let i = 0; i < kh; i++)
              for (let j = 0; j < kw; j++) {
                const [h, w] = [r * stride[0] + i * dilation[0] - before[0], s * stride[1] + j * dilation[1] - before[1]];
                const channel = Math.floor(o / (O / groups)) * Cg + c;
                if (h >= 0 && h < H && w >= 0 && w < W)
                  total += values![((b * C + channel) * H + h) * W + w] * weights![((o * Cg + c) * kh + i) * kw + j];
              }
          out[at++] = total;
        }
  return tensor(out, { shape: [B, O, outH, outW] });
}

const pairs = (least: number, most: number) => fc.tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }));

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("vision-patches", { op: "conv2d" }))("agrees with $source on $name", (golden) => {
    const { stride, padding, dilation, groups } = golden.options as unknown as Options;
    use(() =>
      expectGolden(golden, ({ inputs: { x }, params: { weight, bias } }) => ({
        y: conv2d(x, weight, { stride, padding, dilation, groups, ...(bias && { bias }) }),
      })),
    );
  });

  it("is the sum of its definition, for any stride, padding, dilation and groups", () =>
    use(() => {
      fc.assert(
        fc.property(
          pairs(1, 3),
          pairs(0, 3),
          pairs(1, 2),
          pairs(1, 3),
          fc.constantFrom(1, 2, 4),
          fc.constantFrom(1, 3),
          fc.boolean(),
          (stride, padding, dilation, kernel, groups, per, withBias) => {
            const x = randomTensor([2, 4, 7, 6], 1);
            const weight = randomTensor([per * groups, 4 / groups, ...kernel], 2);
            const bias = withBias ? randomTensor([per * groups], 3) : undefined;
            const y = conv2d(x, weight, { stride, padding, dilation, groups, ...(bias && { bias }) });
            // At most 36 products of numbers below 1, each rounded once, and the bias.
            expectClose(y, plain(x, weight, bias, { stride, padding, dilation, groups }), 37 * 37 * 2 ** -24);
          },
        ),
        { numRuns: 60, seed: 1 },
      );
    }));

  it("is right where one image takes several strips, and so are its gradients", () =>
    use(() => {
      // 64 channels × 9 taps × 33 columns × 4 bytes: 3 rows of 33 to a strip.
      const [x, weight] = [randomTensor([2, 64, 35, 33], 1), randomTensor([5, 64, 3, 3], 2)];
      const options: Options = { stride: [2, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
      const y = conv2d(x, weight, options);
      const terms = 64 * 9;
      expectClose(y, plain(x, weight, undefined, options), 4 * terms * 2 ** -24 * Math.sqrt(terms));
      const g = randomTensor(y.shape, 3);
      // Linear in each operand: the gradients meet the result in ⟨g, y⟩ = ⟨dx, x⟩ = ⟨dw, w⟩.
      const found = grad(([a, b]: Tensor[]) => sum(mul(conv2d(a, b, options), g)))([x, weight]);
      const dot = (a: Tensor, b: Tensor) => {
        const [p, q] = [a.toTypedArray(), b.toTypedArray()];
        let total = 0;
        for (let i = 0; i < p.length; i++) total += p[i] * q[i];
        return total;
      };
      const expected = dot(g, y);
      expect(Math.abs(dot(found[0], x) - expected)).toBeLessThan(1e-3);
      expect(Math.abs(dot(found[1], weight) - expected)).toBeLessThan(1e-3);
      // And in each direction apart.
      const [x2, w2] = [randomTensor(x.shape, 4), randomTensor(weight.shape, 5)];
      expect(Math.abs(dot(found[0], x2) - dot(g, conv2d(x2, weight, options)))).toBeLessThan(1e-3);
      expect(Math.abs(dot(found[1], w2) - dot(g, conv2d(x, w2, options)))).toBeLessThan(1e-3);
    }));

  it.each([
    ["of several strips", [2, 16, 41, 24], 18, 1],
    ["with odd sides", [1, 20, 13, 15], 17, 1],
    ["in groups", [2, 36, 8, 8], 40, 2],
  ] as const)("is right where 3 × 3 taps are transformed, and so are its gradients: images %s", (_, shape, O, groups) =>
    use(() => {
      const [x, weight, bias] = [randomTensor(shape, 1), randomTensor([O, shape[1] / groups, 3, 3], 2), randomTensor([O], 3)];
      const options: Options = { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups };
      const y = conv2d(x, weight, { ...options, bias });
      const terms = (9 * shape[1]) / groups;
      expectClose(y, plain(x, weight, bias, options), 4 * terms * 2 ** -24 * Math.sqrt(terms));
      const g = randomTensor(y.shape, 4);
      // The gradient of the image is a convolution, too: of the cotangent with the taps turned round, filters and channels exchanged.
      const [dx] = grad(([a]: Tensor[]) => sum(mul(conv2d(a, weight, options), g)))([x]);
      const turned = flip(transpose(reshape(weight, [groups, O / groups, shape[1] / groups, 3, 3]), 1, 2), [3, 4]);
      const expected = plain(g, reshape(turned, [shape[1], O / groups, 3, 3]), undefined, options);
      expectClose(dx, expected, 36 * O * 2 ** -24 * Math.sqrt(9 * O));
    }),
  );

  it("hears of infinities, NaN and giants exactly what the definition does, though tiles share pixels", () =>
    use(() => {
      const weight = randomTensor([16, 16, 3, 3], 2);
      const clean = randomTensor([1, 16, 8, 8], 1);
      const options: Options = { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
      for (const giant of [Infinity, -Infinity, NaN, 1e30]) {
        const values = Float64Array.from(clean.toTypedArray());
        values[3 * 64 + 3 * 8 + 5] = giant;
        const x = cast(tensor(values, { shape: clean.shape }), clean.dtype);
        const [found, expected] = [conv2d(x, weight, options), plain(x, weight, undefined, options)].map((y) => [...y.toTypedArray()]);
        found.forEach((value, i) => {
          const [row, column] = [Math.floor(i / 8) % 8, i % 8];
          if (Math.abs(row - 3) > 1 || Math.abs(column - 5) > 1) expect(Math.abs(value - expected[i])).toBeLessThan(1e-4);
          else if (Number.isFinite(expected[i])) expect(Math.abs(value / expected[i] - 1)).toBeLessThan(1e-5);
          else expect(value).toBe(expected[i]);
        });
      }
    }));
});

describe("conv2d", () => {
  it("has the gradients of its central differences, second ones too: strided, dilated, in groups, 1 × 1", () => {
    const shapes = [[2, 2, 5, 4], [4, 2, 3, 2], [4]];
    expectGradient((x, w, bias) => conv2d(x, w, { bias, stride: [2, 1], padding: [1, 2], dilation: [1, 2] }), shapes, { second: true });
    expectGradient(
      (x, w) => conv2d(x, w, { groups: 2, padding: 1 }),
      [
        [2, 4, 3, 3],
        [2, 2, 2, 3],
      ],
      { second: true },
    );
    expectGradient(
      (x, w) => conv2d(x, w, { groups: 3, padding: "same" }),
      [
        [1, 3, 4, 3],
        [3, 1, 3, 3],
      ],
    );
    expectGradient(
      (x, w) => conv2d(x, w),
      [
        [2, 3, 2, 3],
        [4, 3, 1, 1],
      ],
      { second: true },
    );
    expectGradient(
      (x, w) => conv2d(x, w, { stride: 2 }),
      [
        [1, 2, 3, 3],
        [3, 2, 1, 1],
      ],
    );
  });

  it("keeps height and width with padding same, the odd pixel below and to the right", () => {
    const [x, weight] = [randomTensor([1, 1, 4, 5], 1), randomTensor([1, 1, 2, 4], 2)];
    const y = conv2d(x, weight, { padding: "same" });
    expect(y.shape).toEqual([1, 1, 4, 5]);
    // Twice the larger side before, cut to what "same" keeps.
    const wide = plain(
      x,
      weight,
      undefined,
      { stride: [1, 1], padding: [1, 2], dilation: [1, 1], groups: 1 },
      [0, 1],
    ).toArray() as number[][][][];
    expectClose(y, [[wide[0][0].slice(0, 4).map((row) => row.slice(0, 5))]], 1e-6);
  });

  it("reads views, and takes empty batches and no channels", () => {
    const x = randomTensor([5, 4, 3, 2], 1);
    const weight = randomTensor([2, 3, 2, 2], 2);
    const view = permute(x, [3, 2, 0, 1]);
    expectClose(
      conv2d(view, weight),
      plain(view, weight, undefined, { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }),
      1e-6,
    );
    expect(conv2d(zeros([0, 3, 4, 4]), weight).shape).toEqual([0, 2, 3, 3]);
    expectClose(
      conv2d(zeros([1, 0, 3, 3]), zeros([2, 0, 2, 2]), { bias: tensor([1, 2]) }).slice(1, 1, 2),
      tensor(new Float32Array(4).fill(2), { shape: [1, 1, 2, 2] }),
    );
    expect(conv2d(zeros([1, 3, 4, 4]), zeros([0, 3, 2, 2])).shape).toEqual([1, 0, 3, 3]);
  });

  it("needs no workspace that grows with the batch", () => {
    const weight = randomTensor([8, 16, 3, 3], 2);
    const reserved = (batch: number) => {
      const x = randomTensor([batch, 16, 32, 32], 1);
      scope(() => void conv2d(x, weight, { padding: 1 }));
      return memory().reservedBytes;
    };
    reserved(1);
    const [before, after] = [reserved(2), reserved(8)];
    // Six images more: inputs (64 KiB each) and outputs (32 KiB); patches would be 576 KiB each.
    expect(after - before).toBeLessThan(6 * 96 * 1024 + 512 * 1024);
  });

  it("transforms 3 × 3 taps of many channels, and no giants, few channels, strides or dilations", () => {
    const kernelsOf = (x: Tensor, weight: Tensor, options = {}) =>
      profileKernels(() => conv2d(x, weight, { padding: 1, ...options })).kernels.map(({ kernel }) => kernel);
    const [x, weight] = [randomTensor([1, 16, 8, 8], 1), randomTensor([16, 16, 3, 3], 2)];
    expect(kernelsOf(x, weight)).toContain("winograd");
    expect(kernelsOf(mul(x, 1e16), weight)).toContain("correlate");
    expect(kernelsOf(x, mul(weight, NaN))).toContain("correlate");
    expect(kernelsOf(x.slice(1, 0, 8), weight.slice(1, 0, 8))).toContain("correlate");
    expect(kernelsOf(x, weight, { dilation: 2, padding: 2 })).toContain("correlate");
    expect(kernelsOf(x, weight, { stride: 2 })).not.toContain("winograd");
  });

  it("says what disagrees", () => {
    const x = zeros([1, 4, 5, 5]);
    expect(() => conv2d(x, zeros([2, 3, 3, 3]))).toThrow(
      "conv2d: x [B, C, H, W] and weight [O, C / groups, kh, kw] must share C, and groups divide C and O; got x [1, 4, 5, 5], weight [2, 3, 3, 3], groups 1.",
    );
    expect(() => conv2d(x, zeros([3, 2, 3, 3]), { groups: 2 })).toThrow("groups divide C and O");
    expect(() => conv2d(x, zeros([2, 4, 6, 3]))).toThrow("conv2d: the kernel must not be empty nor larger than the padded image");
    expect(() => conv2d(x, zeros([2, 4, 3, 3]), { stride: 2, padding: "same" })).toThrow('conv2d: padding "same" needs stride 1');
    expect(() => conv2d(x, zeros([2, 4, 3, 3]), { bias: zeros([3]) })).toThrow("must share O; got weight [2, 4, 3, 3], bias [3].");
    expect(() => conv2d(x, zeros([2, 4, 3, 3], { dtype: "float64" }))).toThrow("conv2d: dtypes must agree");
    expect(() => conv2d(zeros([4, 5, 5]), zeros([2, 4, 3, 3]))).toThrow("conv2d: x must be [B, C, H, W]; got shape [4, 5, 5].");
    expect(() => conv2d(x, zeros([2, 4, 3, 3]), { stride: 0 })).toThrow("conv2d: stride must be an integer of at least 1");
  });
});
