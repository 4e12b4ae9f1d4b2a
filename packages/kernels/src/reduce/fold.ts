import type { Views } from "../memory/views.ts";
import type { Reduction } from "./reduce.ts";

/** `result(value, n)` per group, where `value(i)` are the elements of the group: a real number, or an index. */
export function fold(views: Views, result: (value: (i: number) => number, n: number) => number, isIndex = false): Reduction {
  return (x, out, outer, n, inner) => {
    const real = views.real();
    const to = isIndex ? views.i32() : real;
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < inner; j++) {
        const start = (x >>> views.shift) + o * n * inner + j;
        to[(out >>> (isIndex ? 2 : views.shift)) + o * inner + j] = result((i) => real[start + i * inner]!, n);
      }
    }
  };
}
