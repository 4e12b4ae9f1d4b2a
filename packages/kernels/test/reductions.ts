import type { Reduction } from "../src/reduce/reduce.ts";
import { inWorkspace } from "../src/testing/workspace.ts";

export type DType = "float32" | "float64";
export interface Shape {
  outer: number;
  n: number;
  inner: number;
}

/** What a kernel of that name makes of x. */
export function run(
  kernels: object,
  dtype: DType,
  name: string,
  x: ArrayLike<number>,
  { outer, n, inner }: Shape,
  misaligned = 1,
): number[] {
  return inWorkspace(dtype, (w) => {
    const count = name === "cumsum" ? x.length : outer * inner;
    const isIndex = name.startsWith("arg");
    const [from, to] = [w.reals(x, misaligned), isIndex ? w.ints(count, misaligned + 1) : w.reals(count, misaligned + 2)];
    (kernels as Record<string, Reduction>)[name]!(from, to, outer, n, inner);
    return isIndex ? w.readInts(to, count) : w.readReals(to, count);
  });
}

/** The elements of each group, in order of `out`. */
export function groups(x: ArrayLike<number>, { outer, n, inner }: Shape): number[][] {
  return Array.from({ length: outer * inner }, (_, g) => {
    const [o, j] = [Math.floor(g / inner), g % inner];
    return Array.from({ length: n }, (_, i) => x[(o * n + i) * inner + j]!);
  });
}

export const shapes: Shape[] = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100].map((n) => ({ outer: 3, n, inner: 1 })),
  ...[2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 20, 21, 31, 32, 33, 40].flatMap((inner) => [
    { outer: 2, n: 5, inner },
    { outer: 1, n: 1, inner },
  ]),
  { outer: 0, n: 4, inner: 3 },
  { outer: 3, n: 4, inner: 0 },
];
export const sizeOf = ({ outer, n, inner }: Shape) => outer * n * inner;
