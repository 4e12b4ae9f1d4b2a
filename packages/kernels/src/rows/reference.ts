import type { Views } from "../memory/views.ts";
import type { RowKernels } from "./rows.ts";

/** Gathering and scattering in plain loops: the definition. */
export function reference(views: Views): RowKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  // Calls visit(offset in the indexed array, offset in the other) for every entry of the index, in order.
  const each = (index: number, outer: number, n: number, m: number, inner: number, visit: (far: number, near: number) => void) => {
    const indices = views.i32();
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < m; i++) {
        for (let k = 0; k < inner; k++) {
          const near = (o * m + i) * inner + k;
          visit((o * n + indices[(index >>> 2) + near]) * inner + k, near);
        }
      }
    }
  };
  return {
    gatherRows(table, ids, out, count, width) {
      const reals = views.real();
      const indices = views.i32();
      for (let i = 0; i < count; i++) {
        const row = at(table) + indices[(ids >>> 2) + i] * width;
        reals.copyWithin(at(out) + i * width, row, row + width);
      }
    },
    scatterAddRows(src, ids, out, count, width) {
      const reals = views.real();
      const indices = views.i32();
      for (let i = 0; i < count; i++) {
        const row = at(out) + indices[(ids >>> 2) + i] * width;
        for (let k = 0; k < width; k++) reals[row + k] += reals[at(src) + i * width + k];
      }
    },
    gather(x, index, out, outer, n, m, inner) {
      const reals = views.real();
      each(index, outer, n, m, inner, (far, near) => {
        reals[at(out) + near] = reals[at(x) + far];
      });
    },
    scatterAdd(src, index, out, outer, n, m, inner) {
      const reals = views.real();
      each(index, outer, n, m, inner, (far, near) => {
        reals[at(out) + far] += reals[at(src) + near];
      });
    },
  };
}
