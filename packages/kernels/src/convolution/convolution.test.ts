import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "../testing/workspace.ts";
import {
  convolution,
  correlateScratchBytes,
  packedKernelBytes,
  packedWinogradBytes,
  winogradQuads,
  winogradScratchBytes,
} from "./convolution.ts";

interface Geometry {
  title: string;
  C: number;
  H: number;
  W: number;
  kernel: [number, number];
  stride?: [number, number];
  pad?: [number, number];
  dilation?: [number, number];
  /** Output size when it is not the whole one. */
  out?: [number, number];
}
const cases: Geometry[] = [
  { title: "1 × 1", C: 2, H: 3, W: 5, kernel: [1, 1] },
  { title: "3 × 3 without padding", C: 3, H: 6, W: 7, kernel: [3, 3] },
  ...[1, 2, 3, 4, 5, 7, 8, 9].map((W): Geometry => ({
    title: `3 × 3 that keeps a width of ${W}`,
    C: 2,
    H: 5,
    W,
    kernel: [3, 3],
    pad: [1, 1],
  })),
  { title: "5 × 5 that keeps the size, larger than the image", C: 2, H: 2, W: 3, kernel: [5, 5], pad: [2, 2] },
  ...[3, 7, 8, 9, 10, 11, 17].map((W): Geometry => ({
    title: `stride 2 over a width of ${W}`,
    C: 2,
    H: 5,
    W,
    kernel: [3, 3],
    stride: [2, 2],
    pad: [1, 1],
  })),
  { title: "1 × 1 with stride 2", C: 2, H: 7, W: 13, kernel: [1, 1], stride: [2, 2] },
  { title: "stride 2 down, 3 across", C: 2, H: 9, W: 8, kernel: [2, 3], stride: [2, 3], pad: [1, 0] },
  { title: "stride 1 down, 2 across", C: 1, H: 4, W: 12, kernel: [1, 2], stride: [1, 2] },
  { title: "dilation 2", C: 2, H: 9, W: 9, kernel: [3, 3], pad: [2, 2], dilation: [2, 2] },
  { title: "dilation with stride 2", C: 1, H: 9, W: 11, kernel: [3, 2], stride: [2, 2], pad: [1, 2], dilation: [2, 3] },
  { title: "patches that do not overlap", C: 3, H: 8, W: 8, kernel: [4, 4], stride: [4, 4] },
  { title: "padding wider than the kernel", C: 1, H: 2, W: 3, kernel: [2, 2], pad: [4, 5] },
  { title: "the lower half of the output, by a negative padding", C: 2, H: 6, W: 5, kernel: [3, 3], pad: [1 - 3, 1], out: [3, 5] },
  { title: "no channels", C: 0, H: 4, W: 4, kernel: [3, 3] },
  { title: "no output", C: 1, H: 2, W: 2, kernel: [2, 2], out: [0, 0] },
];

function numbers({ C, H, W, kernel: [kh, kw], stride = [1, 1], pad = [0, 0], dilation = [1, 1], out }: Geometry) {
  const size = (n: number, axis: 0 | 1, k: number) => Math.floor((n + 2 * pad[axis] - dilation[axis] * (k - 1) - 1) / stride[axis]) + 1;
  const [outH, outW] = out ?? [size(H, 0, kh), size(W, 1, kw)];
  const plane = outH * outW;
  return {
    args: [C, H, W, kh, kw, ...stride, ...pad, ...dilation, outH, outW] as const,
    image: C * H * W,
    patches: C * kh * kw * plane,
    plane,
  };
}

/** For each entry of the patches, the pixel it shows or −1. */
function sources(args: ReturnType<typeof numbers>["args"]): number[] {
  const [C, H, W, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW] = args;
  return Array.from({ length: C * kh * kw * outH * outW }, (_, entry) => {
    const s = entry % outW;
    const r = Math.floor(entry / outW) % outH;
    const tap = Math.floor(entry / outW / outH);
    const [j, i, c] = [tap % kw, Math.floor(tap / kw) % kh, Math.floor(tap / kw / kh)];
    const [h, w] = [r * strideH + i * dilationH - padTop, s * strideW + j * dilationW - padLeft];
    return h < 0 || h >= H || w < 0 || w >= W ? -1 : (c * H + h) * W + w;
  });
}

// Patches are copies, and their adjoint adds in a given order, so every implementation gives exactly what these loops give.
describe.each(implementationsOf(convolution))("convolution, $name", ({ kernels, dtype }) => {
  const round = dtype === "float32" ? Math.fround : (value: number) => value;

  it.each(cases)("shows the patches: $title", (geometry) => {
    const { args, image, patches, plane } = numbers(geometry);
    for (const misaligned of [0, 1, 3]) {
      inWorkspace(dtype, (w) => {
        const x = noise(image, 1);
        const [px, out] = [w.reals(x, misaligned), w.reals(patches, 2)];
        kernels.patches(px, out, ...args, plane);
        expect(w.readReals(out, patches)).toEqual(sources(args).map((pixel) => (pixel < 0 ? 0 : x[pixel])));
      });
    }
  });

  it.each(cases)("gives gradients back to the pixels, added to what is there: $title", (geometry) => {
    const { args, image, patches, plane } = numbers(geometry);
    inWorkspace(dtype, (w) => {
      const g = noise(patches, 2);
      const sums = noise(image, 3);
      const [pg, dx] = [w.reals(g, 1), w.reals(sums, 3)];
      kernels.patchesGrad(pg, dx, ...args, plane);
      sources(args).forEach((pixel, entry) => {
        if (pixel >= 0) sums[pixel] = round(sums[pixel] + g[entry]);
      });
      expect(w.readReals(dx, image)).toEqual(sums);
    });
  });

  it.each(cases.filter(({ C }) => C > 0))("leaves room between rows of patches: $title", (geometry) => {
    const { args, image, patches, plane } = numbers(geometry);
    if (plane === 0) return;
    const row = plane + 3;
    const spaced = (values: readonly number[]) =>
      Array.from({ length: (patches / plane) * row }, (_, at) =>
        at % row < plane ? values[Math.floor(at / row) * plane + (at % row)] : NaN,
      );
    inWorkspace(dtype, (w) => {
      const [x, g] = [noise(image, 1), noise(patches, 2)];
      const [px, out, far] = [w.reals(x), w.reals(spaced(g).length), w.reals(spaced(g))];
      kernels.patches(px, out, ...args, row);
      expect(w.readReals(out, spaced(g).length)).toEqual(spaced(sources(args).map((pixel) => (pixel < 0 ? 0 : x[pixel]))));
      const [near, a, b] = [w.reals(g), w.reals(x), w.reals(x)];
      kernels.patchesGrad(near, a, ...args, plane);
      kernels.patchesGrad(far, b, ...args, row);
      expect(w.readReals(b, image)).toEqual(w.readReals(a, image));
    });
  });

  it("makes a convolution of a product, by hand", () => {
    inWorkspace(dtype, (w) => {
      const out = w.reals(16);
      kernels.patches(w.reals([1, 2, 3, 4, 5, 6, 7, 8, 9]), out, 1, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 2, 2, 4);
      const patches = w.readReals(out, 16);
      const weight = [1, 10, 100, 1000];
      const y = [0, 1, 2, 3].map((p) => weight.reduce((sum, value, tap) => sum + value * patches[tap * 4 + p], 0));
      expectNear(y, [5421, 6532, 8754, 9865], 0);
    });
  });
});

/** C, O, H, W, kernel, padding (top, left), dilation, output size. */
const strips: [string, number, number, number, number, [number, number], [number, number], [number, number], [number, number]][] = [
  ["1 × 1", 3, 5, 4, 6, [1, 1], [0, 0], [1, 1], [4, 6]],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13].map((O): (typeof strips)[number] => [`${O} filters`, 2, O, 4, 8, [3, 3], [1, 1], [1, 1], [4, 8]]),
  ...[1, 2, 5, 7, 8, 9, 14, 15, 16, 17, 24, 32].map((W): (typeof strips)[number] => [
    `a width of ${W}`,
    2,
    7,
    3,
    W,
    [3, 3],
    [1, 1],
    [1, 1],
    [3, W],
  ]),
  ["without padding", 2, 6, 7, 10, [3, 3], [0, 0], [1, 1], [5, 8]],
  ["dilation", 2, 6, 9, 11, [3, 2], [2, 3], [2, 3], [9, 14]],
  ["more terms than one pass takes", 150, 7, 4, 8, [3, 3], [1, 1], [1, 1], [4, 8]],
  ["more terms, rows that tiles do not fill", 150, 7, 4, 5, [3, 3], [1, 1], [1, 1], [4, 5]],
  ["a kernel of more terms than one pass", 2, 4, 30, 30, [27, 26], [3, 2], [1, 1], [10, 9]],
  ["padding wider than the kernel", 1, 6, 2, 3, [2, 2], [4, 5], [1, 1], [9, 12]],
  ["pixels left out, by negative padding", 2, 6, 6, 9, [3, 3], [-1, -2], [1, 1], [2, 4]],
  ["a strip below the first", 2, 6, 8, 8, [3, 3], [1 - 3, 1], [1, 1], [3, 8]],
  ["no output", 2, 6, 3, 3, [3, 3], [0, 0], [1, 1], [0, 1]],
  ["no filters", 2, 0, 3, 3, [3, 3], [0, 0], [1, 1], [1, 1]],
];

describe.each(implementationsOf(convolution))("correlate, $name", ({ kernels, dtype }) => {
  it.each(strips)("is the sum that it says: %s", (_, C, O, H, W, [kh, kw], [top, left], [dilationH, dilationW], [outH, outW]) => {
    const width = dtype === "float32" ? 4 : 8;
    const taps = kh * kw;
    const rowY = outH * outW + 3;
    const [x, weight, bias] = [noise(C * H * W, 1), noise(O * C * taps, 2), noise(O, 3)];
    for (const turned of [false, true]) {
      // Turned: the same kernel stored the other way round, which strides undo.
      const stored = turned ? weight.map((__, i) => weight[(Math.floor(i / taps) + 1) * taps - 1 - (i % taps)]) : weight;
      inWorkspace(dtype, (w) => {
        const packed = w.bytes(packedKernelBytes(width, O, C, taps));
        const first = w.reals(stored, 1) + (turned ? (taps - 1) * width : 0);
        kernels.packKernel(first, packed, O, C, taps, C * taps, taps, turned ? -1 : 1);
        const y = w.reals(Array<number>(O * rowY).fill(9), 2);
        const [lines, pitch] = [outH + (kh - 1) * dilationH, outW + (kw - 1) * dilationW];
        const scratch = w.bytes(correlateScratchBytes(C, O, taps, lines, pitch));
        const [px, pb] = [w.reals(x, 3), turned ? 0 : w.reals(bias, 1)];
        kernels.correlate(px, packed, pb, y, C, H, W, O, kh, kw, top, left, dilationH, dilationW, outH, outW, rowY, scratch);
        const actual = w.readReals(y, O * rowY);
        for (let o = 0; o < O; o++) {
          for (let r = 0; r < outH; r++) {
            for (let s = 0; s < outW; s++) {
              let [sum, size] = [turned ? 0 : bias[o], 1];
              for (let term = 0; term < C * taps; term++) {
                const [c, i, j] = [Math.floor(term / taps), Math.floor((term % taps) / kw), term % kw];
                const [h, v] = [r + i * dilationH - top, s + j * dilationW - left];
                if (h < 0 || h >= H || v < 0 || v >= W) continue;
                const product = weight[o * C * taps + (term % taps) + c * taps] * x[(c * H + h) * W + v];
                sum += product;
                size += Math.abs(product);
              }
              // Each of the terms is added once: at most terms · ε of all their sizes, and of that but the root on average.
              expectNear([actual[o * rowY + r * outW + s]], [sum], 4 * Math.sqrt(C * taps + 2) * unitRoundoff(dtype) * size);
            }
          }
          expect(actual.slice(o * rowY + outH * outW, (o + 1) * rowY)).toEqual([9, 9, 9]);
        }
      });
    }
  });
});

/** C, O, H, W, padding (top, left), output size. */
const winogradStrips: [string, number, number, number, number, [number, number], [number, number]][] = [
  ["one output", 1, 1, 3, 3, [0, 0], [1, 1]],
  ["two by two outputs", 2, 3, 4, 4, [0, 0], [2, 2]],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13].map((O): (typeof winogradStrips)[number] => [`${O} filters`, 2, O, 4, 8, [1, 1], [4, 8]]),
  ...[1, 2, 5, 7, 8, 9, 14, 15, 16, 17, 24, 33].map((W): (typeof winogradStrips)[number] => [
    `a width of ${W}`,
    3,
    7,
    3,
    W,
    [1, 1],
    [3, W],
  ]),
  ...[1, 2, 5, 8].map((H): (typeof winogradStrips)[number] => [`a height of ${H}`, 2, 5, H, 9, [1, 1], [H, 9]]),
  ["more quads than are computed together", 2, 3, 40, 60, [1, 1], [40, 60]],
  ["more channels than one pass takes", 330, 7, 4, 8, [1, 1], [4, 8]],
  ["few quads at a time, of many channels", 300, 290, 9, 17, [1, 1], [9, 17]],
  ["without padding", 2, 6, 7, 10, [0, 0], [5, 8]],
  ["padding wider than the kernel", 1, 6, 2, 3, [4, 5], [8, 11]],
  ["pixels left out, by negative padding", 2, 6, 6, 9, [-1, -2], [2, 4]],
  ["a strip below the first", 2, 6, 8, 8, [1 - 3, 1], [3, 8]],
  ["no output", 2, 6, 3, 3, [0, 0], [0, 1]],
  ["no filters", 2, 0, 3, 3, [0, 0], [1, 1]],
];

describe.each(implementationsOf(convolution))("winograd, $name", ({ kernels, dtype }) => {
  it.each(winogradStrips)("is the sum of nine taps of each channel: %s", (_, C, O, H, W, [top, left], [outH, outW]) => {
    const width = dtype === "float32" ? 4 : 8;
    const rowY = outH * outW + 3;
    const [x, weight, bias] = [noise(C * H * W, 1), noise(O * C * 9, 2), noise(O, 3)];
    for (const turned of [false, true]) {
      const stored = turned ? weight.map((__, i) => weight[(Math.floor(i / 9) + 1) * 9 - 1 - (i % 9)]) : weight;
      inWorkspace(dtype, (w) => {
        const packed = w.bytes(packedWinogradBytes(width, O, C));
        kernels.packWinograd(w.reals(stored, 1) + (turned ? 8 * width : 0), packed, O, C, C * 9, 9, turned ? -1 : 1);
        const y = w.reals(Array<number>(O * rowY).fill(9), 2);
        const scratch = w.bytes(winogradScratchBytes(C, O, outH, outW));
        const [px, pb] = [w.reals(x, 3), turned ? 0 : w.reals(bias, 1)];
        kernels.winograd(px, packed, pb, y, C, H, W, O, top, left, outH, outW, rowY, winogradQuads(C, O), scratch);
        const actual = w.readReals(y, O * rowY);
        const pixel = (c: number, h: number, v: number) => (h < 0 || h >= H || v < 0 || v >= W ? 0 : x[(c * H + h) * W + v]);
        // Sizes: of each channel the largest pixel of all, below 1, times the sizes of its taps.
        for (let o = 0; o < O; o++) {
          const size = weight.slice(o * C * 9, (o + 1) * C * 9).reduce((sum, tap) => sum + Math.abs(tap), 1);
          for (let r = 0; r < outH; r++) {
            for (let s = 0; s < outW; s++) {
              let sum = turned ? 0 : bias[o];
              for (let c = 0; c < C; c++)
                for (let tap = 0; tap < 9; tap++)
                  sum += weight[(o * C + c) * 9 + tap] * pixel(c, r + Math.floor(tap / 3) - top, s + (tap % 3) - left);
              expectNear([actual[o * rowY + r * outW + s]], [sum], 8 * Math.sqrt(C) * unitRoundoff(dtype) * size);
            }
          }
          expect(actual.slice(o * rowY + outH * outW, (o + 1) * rowY)).toEqual([9, 9, 9]);
        }
      });
    }
  });

  it("tells of NaN, infinities and giants, wherever they are", () => {
    for (let n = 0; n < 11; n++) {
      inWorkspace(dtype, (w) => expect(kernels.areMild(w.reals(noise(n, 1)), n)).toBe(1));
      for (let at = 0; at < n; at++) {
        for (const giant of [NaN, Infinity, -Infinity, 1e16, -1e16]) {
          const x = noise(n, 1);
          x[at] = giant;
          inWorkspace(dtype, (w) => expect(kernels.areMild(w.reals(x, 1), n)).toBe(0));
        }
      }
    }
  });
});
