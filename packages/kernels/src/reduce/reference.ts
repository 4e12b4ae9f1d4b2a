import type { Views } from "../memory/views.ts";
import type { ReduceKernels, Reduction } from "./reduce.ts";

/** Reductions in plain loops, computed in doubles: the definition. */
export function reference(views: Views): ReduceKernels {
  /** `result(value, n)` per group, where `value(i)` are the elements of the group. */
  const fold = (
    result: (value: (i: number) => number, n: number) => number,
    target: () => { [index: number]: number } = () => views.real(),
  ): Reduction => {
    const outShift = target === indices ? 2 : views.shift;
    return (x, out, outer, n, inner) => {
      const real = views.real();
      const to = target();
      for (let o = 0; o < outer; o++) {
        for (let j = 0; j < inner; j++) {
          const start = (x >>> views.shift) + o * n * inner + j;
          to[(out >>> outShift) + o * inner + j] = result((i) => real[start + i * inner]!, n);
        }
      }
    };
  };
  const indices = () => views.i32();
  return {
    sum: fold(total),
    sumSquares: fold((value, n) => total((i) => value(i) ** 2, n)),
    sumSquaredDeviations(x, mean, out, outer, n, inner) {
      const means = views.real().slice(mean >>> views.shift, (mean >>> views.shift) + outer * inner);
      let group = 0;
      fold((value) => {
        const m = means[group++]!;
        return total((i) => (value(i) - m) ** 2, n) - total((i) => value(i) - m, n) ** 2 / n;
      })(x, out, outer, n, inner);
    },
    max: fold((value, n) => {
      let most = -Infinity;
      for (let i = 0; i < n; i++) most = Math.max(most, value(i)); // Math.max keeps NaN
      return most;
    }),
    min: fold((value, n) => {
      let least = Infinity;
      for (let i = 0; i < n; i++) least = Math.min(least, value(i));
      return least;
    }),
    argmax: fold((value, n) => first(value, n, (a, b) => a > b), indices),
    argmin: fold((value, n) => first(value, n, (a, b) => a < b), indices),
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

/** The index of the first element that no other is better than, or of the first NaN. */
function first(value: (i: number) => number, n: number, better: (a: number, b: number) => boolean): number {
  let best = 0;
  for (let i = 0; i < n; i++) {
    if (Number.isNaN(value(i))) return i;
    if (better(value(i), value(best))) best = i;
  }
  return best;
}
