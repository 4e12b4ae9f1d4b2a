import type { Views } from "../memory/views.ts";
import { fold } from "./fold.ts";
import type { ReduceKernels } from "./reduce.ts";

/** Sums in plain loops, computed in doubles: the definition. */
export function reference(views: Views): ReduceKernels {
  return {
    sum: fold(views, total),
    sumSquares: fold(views, (value, n) => total((i) => value(i) ** 2, n)),
    cumsum(x, out, outer, n, inner) {
      const real = views.real();
      for (let o = 0; o < outer; o++) {
        for (let j = 0; j < inner; j++) {
          let sum = 0;
          for (let i = 0; i < n; i++) {
            const at = (o * n + i) * inner + j;
            sum += real[(x >>> views.shift) + at]!;
            real[(out >>> views.shift) + at] = sum;
          }
        }
      }
    },
  };
}

/** The sum with what its roundings lose (Neumaier). */
function total(value: (i: number) => number, n: number): number {
  let sum = 0;
  let lost = 0;
  for (let i = 0; i < n; i++) {
    const term = value(i);
    const next = sum + term;
    lost += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
    sum = next;
  }
  return Number.isFinite(sum) ? sum + lost : sum;
}
