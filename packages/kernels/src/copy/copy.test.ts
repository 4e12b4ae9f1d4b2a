import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { copy, type CopyKernels, type StridedCopy } from "./copy.ts";

type Four = [number, number, number, number];
interface Box {
  title: string;
  n: Four;
  s: Four;
  o: Four;
  /** First item of x and of out, for negative strides. */
  start?: number;
  outStart?: number;
}

const contiguous = ([, n1, n2, n3]: Four): Four => [n1 * n2 * n3, n2 * n3, n3, 1];

const boxes: Box[] = [
  ...[0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 2047, 2049].map((n): Box => ({
    title: `${n} in a row`,
    n: [1, 1, 1, n],
    s: [0, 0, 0, 1],
    o: [0, 0, 0, 1],
  })),
  ...[1, 3, 5, 16, 17].map((n): Box => ({
    title: `runs of ${n} out of wider rows`,
    n: [2, 3, 5, n],
    s: [400, 120, 20, 1],
    o: [15 * n, 5 * n, n, 1],
  })),
  ...[1, 4, 19].map((n): Box => ({
    title: `runs of ${n} into wider rows`,
    n: [2, 3, 5, n],
    s: contiguous([2, 3, 5, n]),
    o: [400, 120, 20, 1],
  })),
  ...[0, 1, 3, 4, 5, 8, 9, 37].flatMap((rows) =>
    [1, 3, 4, 5, 37].map((columns): Box => ({
      title: `transpose ${rows} × ${columns}`,
      n: [1, 1, columns, rows],
      s: [0, 0, 1, columns],
      o: [0, 0, rows, 1],
    })),
  ),
  { title: "transposes of a batch", n: [2, 3, 5, 7], s: [105, 35, 1, 5], o: contiguous([2, 3, 5, 7]) },
  { title: "axis 0 of x contiguous", n: [6, 3, 5, 7], s: [1, 210, 42, 6], o: contiguous([6, 3, 5, 7]) },
  { title: "axis 1 of x contiguous, axis 2 single", n: [5, 6, 1, 7], s: [42, 1, 0, 6], o: contiguous([5, 6, 1, 7]) },
  { title: "heads: [B, L, H, D] to [B, H, L, D]", n: [2, 3, 5, 8], s: [120, 8, 24, 1], o: contiguous([2, 3, 5, 8]) },
  { title: "reversed axes", n: [2, 3, 5, 7], s: [1, 2, 6, 30], o: contiguous([2, 3, 5, 7]) },
  { title: "out contiguous along axis 0", n: [7, 3, 5, 6], s: contiguous([7, 3, 5, 6]), o: [1, 42, 126, 7] },
  { title: "both contiguous along axis 1", n: [3, 9, 2, 2], s: [9, 1, 27, 54], o: [36, 1, 18, 9] },
  { title: "no contiguous axis", n: [2, 3, 4, 5], s: [120, 40, 10, 2], o: [180, 60, 15, 3] },
  ...[1, 3, 4, 17].map((n): Box => ({ title: `broadcast of ${n}`, n: [2, 1, 3, n], s: [3, 0, 1, 0], o: [3 * n, 0, n, 1] })),
  { title: "broadcast of rows", n: [2, 5, 1, 7], s: [7, 0, 0, 1], o: contiguous([2, 5, 1, 7]) },
  { title: "broadcast of one item", n: [2, 3, 5, 7], s: [0, 0, 0, 0], o: contiguous([2, 3, 5, 7]) },
  { title: "flip of the last axis", n: [1, 2, 3, 7], s: [0, 21, 7, -1], o: [0, 21, 7, 1], start: 6 },
  { title: "flip of rows", n: [1, 2, 3, 7], s: [0, 21, -7, 1], o: [0, 21, 7, 1], start: 14 },
  { title: "flip written backwards", n: [1, 1, 3, 7], s: [0, 0, 7, 1], o: [0, 0, -7, 1], outStart: 14 },
  { title: "an empty outer axis", n: [0, 3, 5, 7], s: contiguous([0, 3, 5, 7]), o: contiguous([0, 3, 5, 7]) },
  { title: "an empty plane", n: [2, 3, 0, 7], s: contiguous([2, 3, 1, 7]), o: contiguous([2, 3, 1, 7]) },
];

const extent = (n: Four, s: Four) => 1 + n.reduce((sum, count, axis) => sum + Math.max(0, (count - 1) * s[axis]), 0);

/** Pairs of offsets of a box, in order. */
function* offsets({ n, s, o, start = 0, outStart = 0 }: Box): Generator<[from: number, to: number]> {
  for (let i0 = 0; i0 < n[0]; i0++)
    for (let i1 = 0; i1 < n[1]; i1++)
      for (let i2 = 0; i2 < n[2]; i2++)
        for (let i3 = 0; i3 < n[3]; i3++)
          yield [start + i0 * s[0] + i1 * s[1] + i2 * s[2] + i3 * s[3], outStart + i0 * o[0] + i1 * o[1] + i2 * o[2] + i3 * o[3]];
}

describe.each(implementationsOf(copy))("copy, $name", ({ kernels, dtype }) => {
  it.each(boxes)("copies $title, whatever the size of an item and its alignment", (box) => {
    const { n, s, o, start = 0, outStart = 0 } = box;
    for (const [name, size] of [
      ["copy1", 1],
      ["copy2", 2],
      ["copy4", 4],
      ["copy8", 8],
    ] as const) {
      for (const misaligned of size === 8 ? [0] : [0, size, 3 * size]) {
        inWorkspace(dtype, (w) => {
          const count = extent(n, s) + start;
          const outCount = extent(n, o) + outStart;
          const bytes = Uint8Array.from({ length: count * size }, (_, i) => (i * 37 + (i >> 8) * 11 + 1) & 255);
          const x = w.bytes(bytes, misaligned);
          const out = w.bytes(outCount * size, size === 8 ? 8 : size);
          (kernels[name] as StridedCopy)(x + start * size, out + outStart * size, ...n, ...s, ...o);
          const expected = new Uint8Array(outCount * size);
          for (const [from, to] of offsets(box)) expected.set(bytes.subarray(from * size, (from + 1) * size), to * size);
          expect(w.readBytes(out, outCount * size)).toEqual([...expected]);
        });
      }
    }
  });

  it.each(boxes)("adds $title", (box) => {
    const { n, s, o, start = 0, outStart = 0 } = box;
    inWorkspace(dtype, (w) => {
      const values = noise(extent(n, s) + start, 1);
      const before = noise(extent(n, o) + outStart, 2);
      const x = w.reals(values, 1);
      const out = w.reals(before, 3);
      const step = 1 << w.views.shift;
      kernels.addCopy(x + start * step, out + outStart * step, ...n, ...s, ...o);
      const round = dtype === "float32" ? Math.fround : (value: number) => value;
      const expected = [...before];
      for (const [from, to] of offsets(box)) expected[to] = round(expected[to] + values[from]);
      expect(w.readReals(out, before.length)).toEqual(expected); // one rounding per sum: no tolerance
    });
  });

  it.each([
    { title: "rows onto one row", o: [0, 0, 0, 1] as Four },
    { title: "columns onto one column", o: [0, 0, 1, 0] as Four },
    { title: "everything onto one item", o: [0, 0, 0, 0] as Four },
  ])("adds $title in the order of the box", ({ o }) => {
    inWorkspace(dtype, (w) => {
      const values = noise(2 * 3 * 5 * 7, 3);
      const x = w.reals(values);
      const out = w.reals([0, 0, 0, 0, 0, 0, 0]);
      kernels.addCopy(x, out, 2, 3, 5, 7, 105, 35, 7, 1, ...o);
      const round = dtype === "float32" ? Math.fround : (value: number) => value;
      const expected = [0, 0, 0, 0, 0, 0, 0];
      for (const [from, to] of offsets({ title: "", n: [2, 3, 5, 7], s: [105, 35, 7, 1], o }))
        expected[to] = round(expected[to] + values[from]);
      expect(w.readReals(out, 7)).toEqual(expected);
    });
  });

  it("keeps the bits of a NaN and the sign of a zero", () => {
    inWorkspace(dtype, (w) => {
      const bits = [0x7fc12345, -0x80000000, 0x7f812345, 1, -1, 0];
      const x = w.ints(bits);
      const out = w.ints(6);
      kernels.copy4(x, out, 1, 1, 1, 6, 0, 0, 0, 1, 0, 0, 0, 1);
      expect(w.readInts(out, 6)).toEqual(bits);
      kernels.copy8(x, out, 1, 1, 3, 1, 0, 0, 1, 0, 0, 0, 1, 0);
      expect(w.readInts(out, 6)).toEqual(bits);
    });
  });

  it.each([0, 1, 3, 4, 5, 8, 9])("fills %i items", (n) => {
    const filled: [keyof CopyKernels & `fill${string}`, number][] = [
      ["fill", 0.5],
      ["fillInt", -3],
      ["fillBytes", 7],
    ];
    for (const [name, value] of filled) {
      inWorkspace(dtype, (w) => {
        const kind = { fill: "reals", fillInt: "ints", fillBytes: "bytes" }[name] as "reals" | "ints" | "bytes";
        const out = w[kind](n, 1);
        kernels[name](out, n, value);
        const read = { reals: "readReals", ints: "readInts", bytes: "readBytes" }[kind] as "readReals" | "readInts" | "readBytes";
        expect(w[read](out, n)).toEqual(Array<number>(n).fill(value));
      });
    }
  });
});
