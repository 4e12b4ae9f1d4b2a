import type { Views } from "../memory/views.ts";
import type { ReduceKernels, Reduction } from "./reduce.ts";

/** Reductions in plain loops, accumulated in doubles: the definition. */
export function reference(views: Views): ReduceKernels {
  const { shift } = views;
  const over = (start: number, step: (state: number, value: number) => number): Reduction => (x, out, outer, n, inner) => {
    const real = views.real();
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let state = start;
        for (let k = 0; k < n; k++) state = step(state, real[(x >>> shift) + (o * n + k) * inner + i]);
        real[(out >>> shift) + o * inner + i] = state;
      }
    }
  };
  const where = (better: (value: number, best: number) => boolean): Reduction => (x, out, outer, n, inner) => {
    const real = views.real();
    const ints = views.i32();
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const from = (x >>> shift) + o * n * inner + i;
        let at = 0;
        for (let k = 1; k < n; k++) {
          const [value, best] = [real[from + k * inner], real[from + at * inner]];
          if (best === best && (better(value, best) || value !== value)) at = k;
        }
        ints[(out >>> 2) + o * inner + i] = at;
      }
    }
  };
  return {
    sum: over(0, (sum, value) => sum + value),
    sumSquares: over(0, (sum, value) => sum + value * value),
    sumSquaredDeviations(x, mean, out, outer, n, inner) {
      const real = views.real();
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const centre = real[(mean >>> shift) + o * inner + i];
          let sum = 0;
          for (let k = 0; k < n; k++) {
            const away = real[(x >>> shift) + (o * n + k) * inner + i] - centre;
            sum += away * away;
          }
          real[(out >>> shift) + o * inner + i] = sum;
        }
      }
    },
    max: over(-Infinity, Math.max),
    min: over(Infinity, Math.min),
    argmax: where((value, best) => value > best),
    argmin: where((value, best) => value < best),
    cumsum(x, out, outer, n, inner) {
      const real = views.real();
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          let sum = 0;
          for (let k = 0; k < n; k++) {
            const at = (o * n + k) * inner + i;
            sum += real[(x >>> shift) + at];
            real[(out >>> shift) + at] = sum;
          }
        }
      }
    },
  };
}
