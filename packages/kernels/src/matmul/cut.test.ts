import { expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { matmulScratchBytes } from "./blocking.ts";
import { cutProduct, type Block } from "./cut.ts";
import { matmul } from "./matmul.ts";

// Around the sizes at which the kernel changes its ways: few rows, few columns, small B, long sums.
const SHAPES: [m: number, n: number, k: number][] = [
  [512, 512, 512],
  [300, 520, 1100],
  [2, 1500, 700],
  [7, 2049, 300],
  [33, 1030, 260],
  [32, 1031, 256],
  [1000, 4, 600],
  [1000, 5, 600],
  [5000, 17, 64],
  [131, 129, 2000],
  [128, 192, 130],
];

it("covers every element once, in blocks large enough", () => {
  for (const [m, n, k] of [...SHAPES, [1, 1, 1], [0, 5, 5], [1e5, 768, 3072], [64, 64, 1e6]]) {
    for (const threads of [1, 2, 3, 16]) for (const byRows of [false, true]) covers(m, n, k, cutProduct(m, n, k, { threads, byRows }));
  }
  expect(cutProduct(512, 512, 512, { threads: 2 }).length).toBe(8);
  expect(cutProduct(512, 512, 512, { threads: 16 }).length).toBe(32);
  expect(cutProduct(64, 64, 64, { threads: 2 }).length).toBe(1);

  function covers(m: number, n: number, k: number, blocks: readonly Block[]): void {
    expect(blocks.length).toBeLessThanOrEqual(64);
    expect(blocks.reduce((area, { rows, columns }) => area + rows * columns, 0)).toBe(m * n);
    const places = new Set(blocks.map(({ row, column }) => `${row} ${column}`));
    expect(places.size).toBe(blocks.length);
    for (const { row, rows, column, columns } of blocks) {
      expect(row + rows).toBeLessThanOrEqual(m);
      expect(column + columns).toBeLessThanOrEqual(n);
      if (blocks.length === 1) continue;
      expect(rows === m || rows > 32, `${rows} of ${m} rows`).toBe(true);
      expect(columns === n || columns > 4, `${columns} of ${n} columns`).toBe(true);
    }
  }
});

it("puts large blocks first, so that the last one is a small one, where each thread gets several", () => {
  const rows = (threads: number) => cutProduct(512, 512, 512, { threads }).map((block) => block.rows);
  expect(rows(2)).toEqual([192, 192, 192, 192, 66, 66, 62, 62]);
  expect(Math.max(...rows(16))).toBeLessThan(80);
});

it("cuts 197 rows of 576 columns evenly for two, and where asked between rows only", () => {
  const sides = (byRows: boolean) => cutProduct(197, 576, 192, { threads: 2, byRows }).map(({ rows, columns }) => [rows, columns]);
  expect(sides(false)).toEqual([
    [197, 224],
    [197, 208],
    [197, 80],
    [197, 64],
  ]);
  expect(sides(true)).toEqual([
    [48, 576],
    [48, 576],
    [54, 576],
    [47, 576],
  ]);
});

it.each(implementationsOf(matmul).filter(({ name }) => !name.startsWith("reference")))(
  "leaves the bits as they are, $name",
  ({ kernels }) => {
    for (const [m, n, k] of SHAPES) {
      inWorkspace("float32", (w) => {
        const [a, b, start] = [w.reals(noise(m * k, 1)), w.reals(noise(k * n, 2)), noise(m * n, 3)];
        const scratch = w.bytes(matmulScratchBytes(m, n, k) + 64);
        for (const [rowA, columnA, rowB, columnB] of [
          [k, 1, n, 1],
          [k, 1, 1, k],
          [1, m, n, 1],
          [1, m, 1, k],
        ]) {
          for (const accumulate of [0, 1]) {
            const whole = w.reals(start);
            kernels.gemm(m, n, k, a, rowA, columnA, b, rowB, columnB, whole, n, accumulate, scratch);
            for (const options of [{ threads: 2 }, { threads: 16 }, { threads: 16, byRows: true }]) {
              const cut = w.reals(start);
              for (const { row, rows, column, columns } of cutProduct(m, n, k, options)) {
                const [fromA, fromB, to] = [a + 4 * row * rowA, b + 4 * column * columnB, cut + 4 * (row * n + column)];
                kernels.gemm(rows, columns, k, fromA, rowA, columnA, fromB, rowB, columnB, to, n, accumulate, scratch);
              }
              const [expected, found] = [whole, cut].map((at) => w.views.i32().subarray(at / 4, at / 4 + m * n));
              expect(found.findIndex((bits, i) => bits !== expected[i])).toBe(-1);
            }
          }
        }
      });
    }
  },
  30_000,
);
