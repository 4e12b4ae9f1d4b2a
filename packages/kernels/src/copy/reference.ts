import type { Views } from "../memory/views.ts";
import type { CopyKernels, StridedCopy } from "./copy.ts";

/** Strided copies in plain loops: the definition. */
export function reference(views: Views): CopyKernels {
  return {
    copy1: box((x, out) => {
      const items = views.u8();
      return (from, to) => {
        items[out + to] = items[x + from];
      };
    }),
    copy2: box((x, out) => {
      const items = new Uint16Array(views.u8().buffer);
      return (from, to) => {
        items[(out >>> 1) + to] = items[(x >>> 1) + from];
      };
    }),
    copy4: box((x, out) => {
      const items = views.i32();
      return (from, to) => {
        items[(out >>> 2) + to] = items[(x >>> 2) + from];
      };
    }),
    copy8: box((x, out) => {
      const halves = views.i32(); // not a Float64Array: an engine may change the bits of a NaN
      return (from, to) => {
        halves[(out >>> 2) + 2 * to] = halves[(x >>> 2) + 2 * from];
        halves[(out >>> 2) + 2 * to + 1] = halves[(x >>> 2) + 2 * from + 1];
      };
    }),
    addCopy: box((x, out) => {
      const items = views.real();
      return (from, to) => {
        items[(out >>> views.shift) + to] += items[(x >>> views.shift) + from];
      };
    }),
    fill(out, n, value) {
      views.real().fill(value, out >>> views.shift, (out >>> views.shift) + n);
    },
    fillInt(out, n, value) {
      views.i32().fill(value, out >>> 2, (out >>> 2) + n);
    },
    fillBytes(out, n, value) {
      views.u8().fill(value, out, out + n);
    },
  };
}

/** Runs over a box; `move(x, out)` gives what happens to one pair of offsets, in items. */
function box(move: (x: number, out: number) => (from: number, to: number) => void): StridedCopy {
  return (x, out, n0, n1, n2, n3, s0, s1, s2, s3, o0, o1, o2, o3) => {
    const one = move(x >>> 0, out >>> 0);
    for (let i0 = 0; i0 < n0; i0++) {
      for (let i1 = 0; i1 < n1; i1++) {
        for (let i2 = 0; i2 < n2; i2++) {
          for (let i3 = 0; i3 < n3; i3++) {
            one(i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3, i0 * o0 + i1 * o1 + i2 * o2 + i3 * o3);
          }
        }
      }
    }
  };
}
