import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { rows } from "./rows.ts";

/** Indices below n, with repeats. */
const indices = (count: number, n: number) => noise(count, count + n).map((value) => Math.floor(((value + 1) / 2) * n));

// Gathers move bits and scatters add in a given order, so every implementation gives exactly what these loops give.
describe.each(implementationsOf(rows))("rows, $name", ({ kernels, dtype }) => {
  const round = dtype === "float32" ? Math.fround : (value: number) => value;

  describe.each([0, 1, 5, 9])("%i ids", (count) => {
    it.each([0, 1, 3, 4, 5, 8, 11, 64])("of rows of width %i", (width) => {
      const n = 4;
      const ids = indices(count, n);
      inWorkspace(dtype, (w) => {
        const table = noise(n * width, 1);
        const [px, pids, out] = [w.reals(table, 1), w.ints(ids, 3), w.reals(count * width, 2)];
        kernels.gatherRows(px, pids, out, count, width);
        expect(w.readReals(out, count * width)).toEqual(ids.flatMap((id) => table.slice(id * width, (id + 1) * width)));
      });
      inWorkspace(dtype, (w) => {
        const src = noise(count * width, 2);
        const sums = noise(n * width, 3);
        const [psrc, pids, out] = [w.reals(src, 1), w.ints(ids, 3), w.reals(sums, 2)];
        kernels.scatterAddRows(psrc, pids, out, count, width);
        ids.forEach((id, i) => {
          for (let k = 0; k < width; k++) sums[id * width + k] = round(sums[id * width + k] + src[i * width + k]);
        });
        expect(w.readReals(out, n * width)).toEqual(sums);
      });
    });
  });

  it.each([
    [2, 5, 3, 7],
    [1, 5, 8, 1],
    [6, 5, 1, 1],
    [3, 1, 4, 2],
    [0, 5, 3, 7],
    [2, 5, 0, 7],
    [2, 5, 3, 0],
  ])("along an axis: outer %i, n %i, m %i, inner %i", (outer, n, m, inner) => {
    const index = indices(outer * m * inner, n);
    const far = (near: number) => {
      const [k, o] = [near % inner, Math.floor(near / (m * inner))];
      return (o * n + index[near]) * inner + k;
    };
    inWorkspace(dtype, (w) => {
      const x = noise(outer * n * inner, 4);
      const [px, pindex, out] = [w.reals(x, 1), w.ints(index, 1), w.reals(index.length, 3)];
      kernels.gather(px, pindex, out, outer, n, m, inner);
      expect(w.readReals(out, index.length)).toEqual(index.map((_, near) => x[far(near)]));
    });
    inWorkspace(dtype, (w) => {
      const src = noise(index.length, 5);
      const sums = noise(outer * n * inner, 6);
      const [psrc, pindex, out] = [w.reals(src, 1), w.ints(index, 1), w.reals(sums, 3)];
      kernels.scatterAdd(psrc, pindex, out, outer, n, m, inner);
      src.forEach((value, near) => {
        sums[far(near)] = round(sums[far(near)] + value);
      });
      expect(w.readReals(out, sums.length)).toEqual(sums);
    });
  });

  // A real has eight bytes in float64: there is nothing to promise.
  it.skipIf(dtype === "float64")("gathers int32 by its bits, among them those of a NaN", () => {
    inWorkspace(dtype, (w) => {
      const table = [0x7fa00001, 5, -7, 0x7fc12345, 3, -0x80000000];
      const [px, ids, out] = [w.ints(table), w.ints([2, 0]), w.ints(4)];
      kernels.gatherRows(px, ids, out, 2, 2);
      expect(w.readInts(out, 4)).toEqual([3, -0x80000000, 0x7fa00001, 5]);
      kernels.gather(px, w.ints([1, 0]), out, 1, 3, 1, 2);
      expect(w.readInts(out, 2)).toEqual([-7, 5]);
    });
  });
});
