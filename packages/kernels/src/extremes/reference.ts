import type { Views } from "../memory/views.ts";
import { fold } from "../reduce/fold.ts";
import type { ExtremeKernels } from "./extremes.ts";

/** Extremes in plain loops: the definition. */
export function reference(views: Views): ExtremeKernels {
  return {
    max: fold(views, (value, n) => {
      let most = -Infinity;
      for (let i = 0; i < n; i++) most = Math.max(most, value(i)); // Math.max keeps NaN
      return most;
    }),
    min: fold(views, (value, n) => {
      let least = Infinity;
      for (let i = 0; i < n; i++) least = Math.min(least, value(i));
      return least;
    }),
    argmax: fold(views, (value, n) => first(value, n, (a, b) => a > b), true),
    argmin: fold(views, (value, n) => first(value, n, (a, b) => a < b), true),
  };
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
