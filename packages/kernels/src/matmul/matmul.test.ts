import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff, type Workspace } from "../testing/workspace.ts";
import { unary } from "../unary/unary.ts";
import { activations } from "./activations.ts";
import { BLOCKING, matmulScratchBytes, packedColumns } from "./blocking.ts";
import { matmul, type MatmulKernels } from "./matmul.ts";

/** How a matrix lies in memory: its rows contiguous, its columns contiguous, or neither. All leave gaps. */
const LAYOUTS = ["rows", "columns", "neither"] as const;
type Layout = (typeof LAYOUTS)[number];

interface Matrix {
  rows: number;
  columns: number;
  /** Row-major, without gaps. */
  values: number[];
}

function stridesOf({ rows, columns }: Matrix, layout: Layout): [row: number, column: number] {
  if (layout === "rows") return [columns + 3, 1];
  if (layout === "columns") return [1, rows + 1];
  return [2 * columns + 1, 2];
}

/** Puts a matrix into memory, NaN around and between: what reads beyond the operand, and uses it, shows. */
function place(w: Workspace, matrix: Matrix, layout: Layout, misaligned: number): [pointer: number, row: number, column: number] {
  const [row, column] = stridesOf(matrix, layout);
  const data = new Float64Array((matrix.rows + 1) * (matrix.columns + 1) * 2 + 8).fill(NaN);
  for (let i = 0; i < matrix.rows; i++) {
    for (let j = 0; j < matrix.columns; j++) data[4 + i * row + j * column] = matrix.values[i * matrix.columns + j];
  }
  return [w.reals(data, misaligned) + (4 << w.views.shift), row, column];
}

/** The definition, in double precision. */
function product(a: Matrix, b: Matrix, start: readonly number[]): number[] {
  const out = [...start];
  for (let i = 0; i < a.rows; i++) {
    for (let p = 0; p < a.columns; p++) {
      for (let j = 0; j < b.columns; j++) out[i * b.columns + j] += a.values[i * a.columns + p] * b.values[p * b.columns + j];
    }
  }
  return out;
}

/** Small whole numbers, whose products and sums float32 holds exactly: every implementation must give the same. */
const wholeNumbers = (rows: number, columns: number, seed: number): Matrix => ({
  rows,
  columns,
  values: noise(rows * columns, seed).map((value) => Math.round(8 * value)),
});
const reals = (rows: number, columns: number, seed: number): Matrix => ({ rows, columns, values: noise(rows * columns, seed) });

interface Run {
  layoutA?: Layout;
  layoutB?: Layout;
  /** What `c` holds before, and is added to. */
  start?: readonly number[] | undefined;
  misaligned?: number;
}

/** C, row-major; fails when a gap between the rows of C was written. */
function run(kernels: MatmulKernels, dtype: "float32" | "float64", a: Matrix, b: Matrix, options: Run = {}): number[] {
  const { layoutA = "rows", layoutB = "rows", start, misaligned = 0 } = options;
  const [m, n, k] = [a.rows, b.columns, a.columns];
  return inWorkspace(dtype, (w) => {
    const inC = (index: number) => Math.floor(index / n) * (n + 2) + (index % n);
    const before = new Float64Array(m * (n + 2)).fill(NaN);
    start?.forEach((value, index) => (before[inC(index)] = value));
    const c = w.reals(before, misaligned);
    const scratch = w.reals(matmulScratchBytes(m, n, k) / 4);
    kernels.gemm(
      m,
      n,
      k,
      ...place(w, a, layoutA, (misaligned + 1) % 4),
      ...place(w, b, layoutB, (misaligned + 2) % 4),
      c,
      n + 2,
      start ? 1 : 0,
      scratch,
    );
    const after = w.readReals(c, m * (n + 2));
    for (let i = 0; i < m; i++) {
      if (!Number.isNaN(after[i * (n + 2) + n])) throw new Error(`the gap behind row ${i} of C was written`);
    }
    return Array.from({ length: m * n }, (_, index) => after[inC(index)]);
  });
}

const around = (...edges: number[]): number[] =>
  [...new Set(edges.flatMap((edge) => [edge - 1, edge, edge + 1]))].filter((size) => size >= 0);
const sizes: [m: number, n: number, k: number][] = [
  ...[0, 1, 2, 3, ...around(4, 6, 8, 12, 16, 24, 32, 48)].map((m): [number, number, number] => [m, 17, 19]),
  ...[0, 1, 2, 3, ...around(4, 8, 16, 32, 64, 128)].map((n): [number, number, number] => [35, n, 19]),
  ...[1, 2, 3, 5].flatMap((m) => around(32, 64).map((n): [number, number, number] => [m, n, 7])),
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, ...around(BLOCKING.steps), 2 * BLOCKING.steps + 1].flatMap((k): [number, number, number][] => [
    [35, 21, k],
    [3, 37, k],
    [33, 129, k],
  ]),
  ...[...around(BLOCKING.rows), 2 * BLOCKING.rows + 1].flatMap((m): [number, number, number][] => [
    [m, 5, 3],
    [m, 136, 3],
  ]),
  ...[...around(BLOCKING.columns), 2 * BLOCKING.columns + 1].map((n): [number, number, number] => [34, n, 3]),
  [260, 140, 70],
  [66, 80, 80],
];

describe.each(implementationsOf(matmul))("matmul, $name", ({ kernels, dtype, which }) => {
  const u = unitRoundoff(dtype);

  it.each(sizes)("multiplies %i × %i over %i in every layout, overwriting and adding, reading nothing else", (m, n, k) => {
    const a = wholeNumbers(m, k, 1);
    const b = wholeNumbers(k, n, 2);
    const before = wholeNumbers(m, n, 3).values;
    const zeros = before.map(() => 0);
    const [overwritten, added] = [product(a, b, zeros), product(a, b, before)];
    // Both strides above one take the same way at every size, so large shapes leave it out.
    const layouts = m * n > 4000 ? LAYOUTS.slice(0, 2) : LAYOUTS;
    let misaligned = 0;
    for (const layoutA of layouts) {
      for (const layoutB of layouts) {
        misaligned = (misaligned + 1) % 4;
        const where = `A by ${layoutA}, B by ${layoutB}`;
        expectNear(run(kernels, dtype, a, b, { layoutA, layoutB, misaligned }), overwritten, 0, where);
        expectNear(run(kernels, dtype, a, b, { layoutA, layoutB, misaligned, start: before }), added, 0, `${where}, added`);
      }
    }
  });

  it("multiplies any shape in any layout", () => {
    const size = fc.integer({ min: 0, max: 40 });
    const layout = fc.constantFrom(...LAYOUTS);
    fc.assert(
      fc.property(size, size, size, layout, layout, fc.nat(3), fc.nat(1000), (m, n, k, layoutA, layoutB, misaligned, seed) => {
        const [a, b] = [wholeNumbers(m, k, seed), wholeNumbers(k, n, seed + 1)];
        const expected = product(
          a,
          b,
          Array.from({ length: m * n }, () => 0),
        );
        expectNear(run(kernels, dtype, a, b, { layoutA, layoutB, misaligned }), expected, 0);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it.each([
    [7, 9, 1000],
    [40, 136, 1000],
    [1, 64, 777],
    [16, 9, 777],
  ])("rounds %i × %i over %i like one sum each, up to k ε", (m, n, k) => {
    const [a, b, before] = [reals(m, k, 4), reals(k, n, 5), reals(m, n, 6).values];
    const expected = product(a, b, before);
    // Any order of k + 1 additions, with a rounding per product: γ(k + 2) Σ |a| |b| (Higham, Accuracy and Stability, §3.1).
    const absolute = (matrix: Matrix): Matrix => ({ ...matrix, values: matrix.values.map(Math.abs) });
    const bounds = product(absolute(a), absolute(b), before.map(Math.abs)).map((sum) => (k + 2) * u * sum);
    for (const layoutA of LAYOUTS) {
      for (const layoutB of LAYOUTS) expectNear(run(kernels, dtype, a, b, { layoutA, layoutB, start: before }), expected, bounds);
    }
  });

  it("gives the same bits for the same shapes wherever the operands lie", () => {
    for (const [m, n, k] of [
      [65, 65, 64],
      [3, 70, 300],
      [40, 200, 300],
    ]) {
      const [a, b] = [reals(m, k, 7), reals(k, n, 8)];
      for (const layoutB of LAYOUTS) {
        const results = [0, 1, 2, 3].map((misaligned) => run(kernels, dtype, a, b, { layoutB, misaligned }));
        for (const other of results) expectNear(other, results[0], 0);
      }
    }
  });

  it("keeps NaN and infinity in their row or column, also where a tile is padded", () => {
    for (const [m, n, k] of [
      [7, 9, 5],
      [3, 35, 9],
      [40, 131, 9],
      [9, 3, 6],
    ]) {
      for (const layoutA of LAYOUTS) {
        for (const layoutB of LAYOUTS) {
          const [a, b] = [wholeNumbers(m, k, 9), wholeNumbers(k, n, 10)];
          a.values[(m - 1) * k + 2] = NaN;
          b.values[n + (n - 1)] = Infinity;
          a.values[1] = 0; // 0 · ∞
          const expected = product(
            a,
            b,
            Array.from({ length: m * n }, () => 0),
          );
          expect(expected.filter((value) => !Number.isFinite(value)).length).toBeLessThanOrEqual(m + n - 1);
          expectNear(run(kernels, dtype, a, b, { layoutA, layoutB }), expected, 0);
        }
      }
    }
  });

  it("overflows to infinity, and not before", () => {
    const large = dtype === "float32" ? 2 ** 63 : 2 ** 511;
    const filled = (rows: number, columns: number, value: number): Matrix => ({
      rows,
      columns,
      values: Array.from({ length: rows * columns }, () => value),
    });
    expectNear(
      run(kernels, dtype, filled(9, 3, large), filled(3, 11, large)),
      Array.from({ length: 99 }, () => 3 * large * large),
      0,
    );
    expectNear(
      run(kernels, dtype, filled(9, 4, large), filled(4, 11, 2 * large)),
      Array.from({ length: 99 }, () => Infinity),
      0,
    );
  });

  describe("linear", () => {
    const names = ["none", "gelu", "geluTanh"] as const;
    const shapes = [
      [0, 3, 4],
      [5, 7, 0],
      [1, 70, 40],
      [2, 37, 40],
      [7, 3, 300],
      [13, 129, 33],
      [BLOCKING.rows + 5, 21, BLOCKING.steps + 1],
      [9, BLOCKING.columns + 3, 5],
    ];

    /** [c, before], as `linear` leaves them; before is NaN where nothing was written. */
    const layer = (
      a: Matrix,
      b: Matrix,
      bias: number[] | undefined,
      name: (typeof names)[number],
      keep: boolean,
      layoutB: Layout,
    ): [number[], number[]] =>
      inWorkspace(dtype, (w) => {
        const [m, n, k] = [a.rows, b.columns, a.columns];
        const row = n + 1;
        const [c, before] = [w.reals(m * row, 1), w.reals(m * row, 3)];
        const biases = bias === undefined ? 0 : w.reals(bias, 2);
        const scratch = w.reals(matmulScratchBytes(m, n, k) / 4);
        const operands = [...place(w, a, "rows", 1), ...place(w, b, layoutB, 2)] as const;
        kernels.linear(m, n, k, ...operands, biases, c, row, activations[name], keep ? before : 0, scratch);
        return [w.readReals(c, m * row), w.readReals(before, m * row)];
      });

    /** The same by `gemm` and the unary family. */
    const inSteps = (
      a: Matrix,
      b: Matrix,
      bias: number[] | undefined,
      name: (typeof names)[number],
      layoutB: Layout,
    ): [number[], number[]] => {
      const [m, n] = [a.rows, b.columns];
      const start = bias && Array.from({ length: m * n }, (_, index) => bias[index % n]);
      const sums = run(kernels, dtype, a, b, { layoutB, start });
      const values = inWorkspace(dtype, (w) => {
        const x = w.reals(sums);
        if (name !== "none") unary.implementation(which, dtype)[name === "gelu" ? "geluErf" : name](x, x, sums.length);
        return w.readReals(x, sums.length);
      });
      const spread = (list: number[]) =>
        Array.from({ length: m * (n + 1) }, (_, index) =>
          index % (n + 1) < n ? list[Math.floor(index / (n + 1)) * n + (index % (n + 1))] : NaN,
        );
      return [spread(values), spread(sums)];
    };

    it.each(names)("is a product, plus a bias, through %s, to the bit, and writes nothing else", (name) => {
      for (const [m, n, k] of shapes) {
        const [a, b, bias] = [reals(m, k, 11), reals(k, n, 12), reals(1, n, 13).values];
        for (const layoutB of ["rows", "columns"] as const) {
          for (const biases of [bias, undefined]) {
            const [expected, expectedBefore] = inSteps(a, b, biases, name, layoutB);
            for (const keep of [true, false]) {
              const where = `${m} × ${n} × ${k}, B by ${layoutB}, ${biases ? "" : "no "}bias, ${keep ? "" : "not "}kept`;
              const [c, before] = layer(a, b, biases, name, keep, layoutB);
              expectNear(c, expected, 0, where);
              const written = keep && name !== "none";
              expectNear(before, written ? expectedBefore : expectedBefore.map(() => NaN), 0, `${where}: before`);
            }
          }
        }
      }
    });
  });

  it("multiplies by columns of a matrix that was packed before, to the same bits", () => {
    for (const [m, n, k] of [
      [5, 7, 0],
      [1, 70, 40],
      [13, 129, 33],
      [BLOCKING.rows + 5, 37, BLOCKING.steps + 1],
      [9, BLOCKING.columns + 3, 5],
    ]) {
      const [a, b] = [reals(m, k, 21), reals(k, n, 22)];
      for (const layoutB of ["rows", "columns"] as const) {
        inWorkspace(dtype, (w) => {
          const [fromA, fromB] = [place(w, a, "rows", 1), place(w, b, layoutB, 2)];
          const [pointerB, rowStrideB, columnStrideB] = fromB;
          const scratch = w.reals(matmulScratchBytes(m, n, k) / 4);
          const packed = w.reals(k * packedColumns(n));
          kernels.packColumns(n, k, pointerB, rowStrideB, columnStrideB, packed);
          for (const first of [0, 16, 64]) {
            const columns = n - first;
            if (columns <= 0) continue;
            const at = pointerB + first * columnStrideB * (dtype === "float64" ? 8 : 4);
            const product = (...given: number[]) => {
              const c = w.reals(m * columns);
              kernels.linear(m, columns, k, ...fromA, at, rowStrideB, columnStrideB, 0, c, columns, 0, 0, scratch, ...given);
              return w.readReals(c, m * columns);
            };
            expect(product(packed, first, packedColumns(n)), `${m} × ${n} × ${k}, from column ${first}`).toEqual(product());
          }
        });
      }
    }
  });

  describe("batches", () => {
    const [batch, m, n, k] = [3, 5, 11, 7];
    const concat = (matrices: Matrix[]): number[] => matrices.flatMap(({ values }) => values);
    const make = (rows: number, columns: number, seed: number): Matrix[] =>
      [0, 1, 2].map((index) => wholeNumbers(rows, columns, seed + index));

    const runBatch = (
      a: number[],
      b: number[],
      c: number[],
      strides: [number, number, number],
      accumulate: number,
      count = batch,
    ): number[] =>
      inWorkspace(dtype, (w) => {
        const [pa, pb, pc] = [w.reals(a, 1), w.reals(b, 2), w.reals(c, 3)];
        kernels.gemmBatched(count, ...strides, m, n, k, pa, k, 1, pb, n, 1, pc, n, accumulate, w.reals(matmulScratchBytes(m, n, k) / 4));
        return w.readReals(pc, c.length);
      });
    const [as, bs] = [make(m, k, 20), make(k, n, 30)];
    const zeros = Array.from({ length: m * n }, () => 0);
    const empty = Array.from({ length: batch * m * n }, () => NaN);

    it("multiply each pair", () => {
      const expected = as.flatMap((a, index) => product(a, bs[index], zeros));
      expectNear(runBatch(concat(as), concat(bs), empty, [m * k, k * n, m * n], 0), expected, 0);
    });

    it("share B, or A, through a stride of 0", () => {
      expectNear(
        runBatch(concat(as), bs[0].values, empty, [m * k, 0, m * n], 0),
        as.flatMap((a) => product(a, bs[0], zeros)),
        0,
      );
      expectNear(
        runBatch(as[0].values, concat(bs), empty, [0, k * n, m * n], 0),
        bs.flatMap((b) => product(as[0], b, zeros)),
        0,
      );
    });

    it("share B when C has gaps between its matrices", () => {
      const gap = Array.from({ length: batch * (m * n + 4) }, () => NaN);
      const expected = [...gap];
      as.forEach((a, index) => product(a, bs[0], zeros).forEach((value, at) => (expected[index * (m * n + 4) + at] = value)));
      expectNear(runBatch(concat(as), bs[0].values, gap, [m * k, 0, m * n + 4], 0), expected, 0);
    });

    it("add up in one C of stride 0", () => {
      const start = wholeNumbers(m, n, 40).values;
      const expected = as.reduce((sum, a, index) => product(a, bs[index], sum), start);
      expectNear(runBatch(concat(as), concat(bs), [...start], [m * k, k * n, 0], 1), expected, 0);
    });

    it("may be empty", () => {
      expectNear(runBatch(concat(as), concat(bs), [...zeros], [m * k, k * n, m * n], 0, 0), zeros, 0);
      expectNear(runBatch(concat(as), bs[0].values, [...zeros], [m * k, 0, m * n], 0, 0), zeros, 0);
    });
  });
});

const other = implementationsOf(matmul).find(({ which }) => which === "wide");
it.runIf(other !== undefined)("the wide build gives the bits of the relaxed one: it sums in the same order", () => {
  for (const [index, [m, n, k]] of sizes.entries()) {
    const [a, b, start] = [reals(m, k, 1), reals(k, n, 2), reals(m, n, 3).values];
    const [layoutA, layoutB] = [LAYOUTS[index % 2], LAYOUTS[(index >> 1) % 2]];
    const [wide, relaxed] = [other!.kernels, matmul.implementation("relaxed")].map((kernels) =>
      run(kernels, "float32", a, b, { layoutA, layoutB, start }),
    );
    expectNear(wide, relaxed, 0, `${m} × ${n} × ${k}, A by ${layoutA}, B by ${layoutB}`);
  }
});

it("scratch space stays below 2.2 MiB, whatever the shape", () => {
  expect(matmulScratchBytes(1e5, 1e5, 1e5)).toBeLessThan(2.2 * 2 ** 20);
  expect(matmulScratchBytes(0, 0, 0)).toBe(384);
});
