import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, largest, noise, unitRoundoff } from "../testing/workspace.ts";
import { pooling } from "./pooling.ts";

const exact = pooling.implementation("reference", "float64");

interface Geometry {
  title: string;
  planes: number;
  H: number;
  W: number;
  kernel: [number, number];
  stride?: [number, number];
  pad?: [number, number];
}
const cases: Geometry[] = [
  { title: "2 × 2, stride 2", planes: 3, H: 6, W: 8, kernel: [2, 2], stride: [2, 2] },
  ...[5, 6, 7, 8, 9, 11, 12, 13, 24].flatMap((W): Geometry[] => [
    { title: `3 × 3, stride 1, padded, width ${W}`, planes: 2, H: 5, W, kernel: [3, 3], pad: [1, 1] },
    { title: `3 × 3, stride 2, padded, width ${W}`, planes: 2, H: 7, W, kernel: [3, 3], stride: [2, 2], pad: [1, 1] },
  ]),
  { title: "2 × 3, strides 1 and 2", planes: 2, H: 5, W: 8, kernel: [2, 3], stride: [1, 2], pad: [0, 1] },
  { title: "stride 3", planes: 1, H: 9, W: 14, kernel: [2, 2], stride: [3, 3] },
  { title: "incomplete windows dropped", planes: 1, H: 5, W: 5, kernel: [2, 2], stride: [2, 2] },
  { title: "a window as large as the plane", planes: 3, H: 5, W: 7, kernel: [5, 7] },
  { title: "no planes", planes: 0, H: 4, W: 4, kernel: [2, 2], stride: [2, 2] },
];

function numbers({ planes, H, W, kernel: [kh, kw], stride = [1, 1], pad = [0, 0] }: Geometry) {
  const size = (n: number, axis: 0 | 1, k: number) => Math.floor((n + 2 * pad[axis] - k) / stride[axis]) + 1;
  const [outH, outW] = [size(H, 0, kh), size(W, 1, kw)];
  return {
    args: [planes, H, W, kh, kw, ...stride, ...pad, outH, outW] as const,
    size: planes * H * W,
    outSize: planes * outH * outW,
    window: kh * kw,
  };
}

describe.each(implementationsOf(pooling))("pooling, $name", ({ kernels, dtype }) => {
  const u = unitRoundoff(dtype);

  it("takes maxima and means as done by hand, without padding", () => {
    inWorkspace(dtype, (w) => {
      const x = w.reals([1, 2, 3, 8, 5, 6, 7, 4, 9]);
      const [out, argmax, dx] = [w.reals(4), w.ints(4), w.reals(9)];
      kernels.maxPool(x, out, argmax, 1, 3, 3, 2, 2, 1, 1, 0, 0, 2, 2);
      expect(w.readReals(out, 4)).toEqual([8, 6, 8, 9]);
      expect(w.readInts(argmax, 4)).toEqual([3, 5, 3, 8]);
      kernels.maxPoolGrad(w.reals([1, 10, 100, 1000]), argmax, dx, 1, 9, 4);
      expect(w.readReals(dx, 9)).toEqual([0, 0, 0, 101, 0, 10, 0, 0, 1000]);
      kernels.avgPool(x, out, 1, 3, 3, 2, 2, 1, 1, 0, 0, 2, 2, 1);
      expect(w.readReals(out, 4)).toEqual([4, 4, 6, 6]);
      kernels.adaptiveAvgPool(x, out, 1, 3, 3, 2, 2);
      expect(w.readReals(out, 4)).toEqual([4, 4, 6, 6]);
    });
  });

  it("leaves padding out of a maximum, and counts it in a mean if asked", () => {
    inWorkspace(dtype, (w) => {
      const [out, argmax] = [w.reals(4), w.ints(4)];
      const x = w.reals([-1, -2, -3, -4]);
      kernels.maxPool(x, out, argmax, 1, 2, 2, 2, 2, 2, 2, 1, 1, 2, 2);
      expect(w.readReals(out, 4)).toEqual([-1, -2, -3, -4]);
      expect(w.readInts(argmax, 4)).toEqual([0, 1, 2, 3]);
      kernels.avgPool(x, out, 1, 2, 2, 2, 2, 2, 2, 1, 1, 2, 2, 1);
      expect(w.readReals(out, 4)).toEqual([-0.25, -0.5, -0.75, -1]);
      kernels.avgPool(x, out, 1, 2, 2, 2, 2, 2, 2, 1, 1, 2, 2, 0);
      expect(w.readReals(out, 4)).toEqual([-1, -2, -3, -4]);
    });
  });

  it("gives −∞ and no place for a window that lies wholly in the padding, and takes no gradient from it", () => {
    inWorkspace(dtype, (w) => {
      const [out, argmax, dx] = [w.reals(9), w.ints(9), w.reals(1)];
      kernels.maxPool(w.reals([5]), out, argmax, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3);
      expect(w.readReals(out, 9)).toEqual([...Array<number>(4).fill(-Infinity), 5, ...Array<number>(4).fill(-Infinity)]);
      expect(w.readInts(argmax, 9)).toEqual([-1, -1, -1, -1, 0, -1, -1, -1, -1]);
      kernels.maxPoolGrad(w.reals(noise(9, 1).map((_, i) => i)), argmax, dx, 1, 1, 9);
      expect(w.readReals(dx, 1)).toEqual([4]);
    });
  });

  it.each([
    { title: "the first of equals", row: [1, 3, 3, 2, 3, 1, 1, 1, 1, 1, 1, 1], best: 3, where: 1 },
    { title: "a NaN, the first", row: [1, 3, NaN, 2, NaN, 1, 1, 1, 1, 1, 1, 1], best: NaN, where: 2 },
    { title: "a NaN at the start", row: [NaN, 3, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1], best: NaN, where: 0 },
    { title: "−∞ if there is nothing else", row: Array<number>(12).fill(-Infinity), best: -Infinity, where: 0 },
  ])("takes as maximum $title", ({ row, best, where }) => {
    inWorkspace(dtype, (w) => {
      // One window by itself, and five side by side, which vectors handle.
      const [out, argmax] = [w.reals(5), w.ints(5)];
      const x = w.reals(row);
      kernels.maxPool(x, out, argmax, 1, 1, 12, 1, 5, 5, 5, 0, 0, 1, 1);
      expect([...w.readReals(out, 1), ...w.readInts(argmax, 1)]).toEqual([best, where]);
      kernels.maxPool(x, out, argmax, 1, 1, 12, 1, 5, 1, 1, 0, 0, 1, 5);
      expect([w.readReals(out, 1)[0], w.readInts(argmax, 1)[0]]).toEqual([best, where]);
    });
  });

  it.each(cases)("maximum and its gradient: $title", (geometry) => {
    const { args, size, outSize } = numbers(geometry);
    const run = (which: typeof kernels, precision: typeof dtype) =>
      inWorkspace(precision, (w) => {
        const [x, out, argmax, dx] = [w.reals(noise(size, 1), 1), w.reals(outSize, 3), w.ints(outSize, 1), w.reals(size, 2)];
        which.maxPool(x, out, argmax, ...args);
        which.maxPoolGrad(w.reals(noise(outSize, 2), 1), argmax, dx, args[0], args[1] * args[2], args[9] * args[10]);
        return { out: w.readReals(out, outSize), argmax: w.readInts(argmax, outSize), dx: w.readReals(dx, size) };
      });
    const [actual, expected] = [run(kernels, dtype), run(exact, "float64")];
    expect(actual.out).toEqual(expected.out);
    expect(actual.argmax).toEqual(expected.argmax);
    expectNear(actual.dx, expected.dx, u * 12 * 12); // at most twelve gradients below one meet at a pixel
  });

  it.each(cases.flatMap((geometry) => [1, 0].map((countIncludePad) => ({ ...geometry, countIncludePad }))))(
    "mean and its gradient: $title, padding counted: $countIncludePad",
    ({ countIncludePad, ...geometry }) => {
      const { args, size, outSize, window } = numbers(geometry);
      const run = (which: typeof kernels, precision: typeof dtype) =>
        inWorkspace(precision, (w) => {
          const [x, out, dx] = [w.reals(noise(size, 1), 1), w.reals(outSize, 3), w.reals(size, 2)];
          which.avgPool(x, out, ...args, countIncludePad);
          which.avgPoolGrad(w.reals(noise(outSize, 2), 1), dx, ...args, countIncludePad);
          return { out: w.readReals(out, outSize), dx: w.readReals(dx, size) };
        });
      const [actual, expected] = [run(kernels, dtype), run(exact, "float64")];
      expectNear(actual.out, expected.out, u * (window + 2), "out");
      expectNear(actual.dx, expected.dx, u * (window + 2), "dx");
    },
  );

  it.each([
    [2, 5, 6, 1, 1],
    [1, 7, 5, 3, 2],
    [3, 4, 4, 4, 4],
    [2, 3, 2, 5, 7],
    [2, 9, 33, 2, 3],
    [1, 1, 1, 1, 1],
    [0, 4, 4, 2, 2],
  ])("means of bins: %i planes, %i × %i to %i × %i, and the adjoint", (planes, H, W, outH, outW) => {
    const [size, outSize] = [planes * H * W, planes * outH * outW];
    const [x, g] = [noise(size, 1), noise(outSize, 2)];
    const run = (which: typeof kernels, precision: typeof dtype) =>
      inWorkspace(precision, (w) => {
        const [out, dx] = [w.reals(outSize, 3), w.reals(size, 2)];
        which.adaptiveAvgPool(w.reals(x, 1), out, planes, H, W, outH, outW);
        which.adaptiveAvgPoolGrad(w.reals(g, 1), dx, planes, H, W, outH, outW);
        return { out: w.readReals(out, outSize), dx: w.readReals(dx, size) };
      });
    const [actual, expected] = [run(kernels, dtype), run(exact, "float64")];
    const pixels = Math.ceil(H / outH + 1) * Math.ceil(W / outW + 1);
    expectNear(actual.out, expected.out, u * (pixels + 2), "out");
    const share = largest(expected.dx) + 1;
    expectNear(actual.dx, expected.dx, u * (pixels + 2) * share, "dx");
    // ⟨out, g⟩ = ⟨x, dx⟩ is what "adjoint" means.
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
    expectNear([dot(expected.out, g)], [dot(x, expected.dx)], 1e-13 * (size + 1));
  });
});
