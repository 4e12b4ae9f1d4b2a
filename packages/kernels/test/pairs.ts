import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../src/testing/workspace.ts";
import type { Workspace } from "../src/testing/workspace.ts";
import type { Binary } from "../src/binary/binary.ts";
import type { Family } from "../src/family.ts";

/** How a kernel's items are put into the workspace and read back. */
export type Kind = "reals" | "ints" | "bytes";
export interface PairCase {
  name: string;
  from: Kind;
  to: Kind;
  exact: (a: number, b: number) => number;
}

export const real = (name: PairCase["name"], exact: PairCase["exact"], to: Kind = "reals"): PairCase => ({
  name,
  from: "reals",
  to,
  exact,
});
export const int = (name: PairCase["name"], exact: PairCase["exact"], to: Kind = "ints"): PairCase => ({ name, from: "ints", to, exact });
export const byte = (name: PairCase["name"], exact: PairCase["exact"]): PairCase => ({ name, from: "bytes", to: "bytes", exact });

/** Values of a kind, with repetitions, so that comparisons meet equals. */
export function values(kind: Kind, count: number, seed: number): number[] {
  if (kind === "reals") return noise(count, seed).map((value, i) => (i % 3 === 0 ? Math.round(value * 3) / 2 : value * 4));
  if (kind === "ints") return noise(count, seed).map((value, i) => (i % 2 ? Math.round(value * 4) : Math.round(value * 2 ** 31)) | 0);
  return noise(count, seed).map((value) => (value > 0 ? Math.round(value * 255) : 0));
}

export const read = (w: Workspace, kind: Kind, pointer: number, count: number): number[] =>
  kind === "reals" ? w.readReals(pointer, count) : kind === "ints" ? w.readInts(pointer, count) : w.readBytes(pointer, count);

/** Operands whose extent along each axis is 0 (a stride of 0), or more. */
interface Layout {
  outer: number;
  inner: number;
  a: [outer: number, inner: number];
  b: [outer: number, inner: number];
}
const extent = ([outerStride, innerStride]: readonly [number, number], { outer, inner }: Layout) =>
  outer === 0 || inner === 0 ? 0 : (outer - 1) * outerStride + (inner - 1) * innerStride + 1;

function run(
  kernels: object,
  dtype: "float32" | "float64",
  { name, from, to }: PairCase,
  layout: Layout,
  a: number[],
  b: number[],
): number[] {
  return inWorkspace(dtype, (w) => {
    const { outer, inner } = layout;
    const [pa, pb, out] = [w[from](a, 1), w[from](b, 3), w[to](outer * inner, 2)];
    (kernels as Record<string, Binary>)[name]!(pa, ...layout.a, pb, ...layout.b, out, outer, inner);
    return read(w, to, out, outer * inner);
  });
}

function expected({ name, to, exact }: PairCase, dtype: "float32" | "float64", layout: Layout, a: number[], b: number[]): number[] {
  const round = dtype === "float32" && to === "reals" ? Math.fround : (x: number) => x;
  return Array.from({ length: layout.outer * layout.inner }, (_, index) => {
    const [i, j] = [Math.floor(index / layout.inner), index % layout.inner];
    return round(exact(a[i * layout.a[0] + j * layout.a[1]]!, b[i * layout.b[0] + j * layout.b[1]]!));
  }).map((value) => (name === "pow" ? value : value + 0)); // zeros of either sign compare as equal
}

/** Equal to the last bit, but for powers: one ulp in float32, since both sides are rounded once, three in float64. */
function expectEqual(test: PairCase, dtype: "float32" | "float64", y: number[], truth: number[]): void {
  if (test.name !== "pow") return expect(y.map((value) => value + 0)).toEqual(truth);
  const [relative, least] = dtype === "float32" ? [2 ** -23, 2 ** -149] : [3 * 2 ** -52, 2 ** -1074];
  const wrong = truth.flatMap((value, i) =>
    Object.is(y[i], value) || Math.abs(y[i]! - value) <= relative * Math.abs(value) + least ? [] : [[i, y[i], value]],
  );
  expect(wrong).toEqual([]);
}

const layouts = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33].map((inner) => ({ outer: 3, inner, a: [inner, 1], b: [inner, 1] }) as Layout),
  ...[
    [1, 0],
    [0, 1],
    [0, 0],
  ].flatMap(([p, q]) =>
    [1, 3, 4, 5, 11, 16].flatMap((inner) => [
      { outer: 5, inner, a: [inner, 1], b: [p! * (q ? inner : 1), q!] } as Layout,
      { outer: 5, inner, a: [p! * (q ? inner : 1), q!], b: [inner, 1] } as Layout,
      { outer: 2, inner, a: [0, q!], b: [1, 0] } as Layout,
    ]),
  ),
  { outer: 0, inner: 5, a: [5, 1], b: [5, 1] } as Layout,
];

/** What all kernels of two operands must do, on every implementation. */
export function describePairs(family: Family<object>, cases: readonly PairCase[]): void {
  describe.each(implementationsOf(family))("$name", ({ dtype, kernels }) => {
    it.each(cases)("$name: every way to broadcast, lengths around the multiples of 4, unaligned", (test) => {
      for (const layout of layouts) {
        const [a, b] = [values(test.from, extent(layout.a, layout), 1), values(test.from, extent(layout.b, layout), 2)];
        expectEqual(test, dtype, run(kernels, dtype, test, layout, a, b), expected(test, dtype, layout, a, b));
      }
    });

    it.each(cases)("$name: any strides", (test) => {
      const stride = fc.nat({ max: 12 });
      const operand = fc.tuple(stride, fc.nat({ max: 1 }));
      fc.assert(
        fc.property(fc.nat({ max: 4 }), fc.nat({ max: 10 }), operand, operand, fc.nat(), (outer, inner, a, b, seed) => {
          const layout = { outer, inner, a, b };
          const [x, y] = [values(test.from, extent(a, layout), seed), values(test.from, extent(b, layout), seed + 1)];
          expectEqual(test, dtype, run(kernels, dtype, test, layout, x, y), expected(test, dtype, layout, x, y));
        }),
        { seed: 1, numRuns: 40 },
      );
    });

    it.each(cases.filter(({ from, to }) => from === to))("$name: in place over either operand", (test) => {
      for (const n of [1, 3, 4, 6, 16, 19]) {
        const layout: Layout = { outer: 2, inner: n, a: [n, 1], b: [n, 1] };
        const [a, b] = [values(test.from, 2 * n, 5), values(test.from, 2 * n, 6)];
        const truth = expected(test, dtype, layout, a, b);
        for (const place of [0, 1]) {
          inWorkspace(dtype, (w) => {
            const pointers = [w[test.from](a, 1), w[test.from](b, 1)];
            (kernels as Record<string, Binary>)[test.name]!(pointers[0]!, n, 1, pointers[1]!, n, 1, pointers[place]!, 2, n);
            expectEqual(test, dtype, read(w, test.to, pointers[place]!, 2 * n), truth);
          });
        }
      }
    });

    const odd = [0, -0, 1, -1, 2, -2, 0.5, 3, -3, Infinity, -Infinity, NaN, 2 ** -149, 3e38, -3e38];

    it.each(cases.filter(({ from }) => from === "reals"))("$name: every pair of special values", (test) => {
      const n = odd.length;
      const layout: Layout = { outer: n, inner: n, a: [1, 0], b: [0, 1] };
      const y = run(kernels, dtype, test, layout, odd, odd).map((value) => value + 0);
      // IEEE 754 makes (−1)^±∞ = 1, JavaScript NaN.
      const exact: PairCase["exact"] =
        test.name === "pow" ? (a, b) => (a === -1 && Math.abs(b) === Infinity ? 1 : test.exact(a, b)) : test.exact;
      expectEqual(
        test,
        dtype,
        y,
        expected(
          { ...test, exact },
          dtype,
          layout,
          odd.map((x) => (dtype === "float32" ? Math.fround(x) : x)),
          odd.map((x) => (dtype === "float32" ? Math.fround(x) : x)),
        ).map((value) => value + 0),
      );
    });
  });
}
