import { all, equal, mul, noGrad, sum, unsqueeze, where, type Tensor } from "@heed/tensor";
import type { Score, ScoreForm } from "@heed/tensor/terms";

/** Rows that are not finite are lowered as zeros, and marked again behind: see `LowerScore`. The tape reaches all that was learned. */
export function lowerScore(score: Score, query: Tensor, key: Tensor): ScoreForm {
  const form = score.lower(query, key);
  if (form.query === query && form.key === key) return form;
  const shown = noGrad(() => [query, key].map(finiteRows));
  if (shown.every((flags) => flags === undefined)) return form;
  const [q, k] = [query, key].map((x, i) => (shown[i] === undefined ? x : where(shown[i], x, 0)));
  const hidden = score.lower(q, k);
  const marked = (x: Tensor, flags: Tensor | undefined) => (flags === undefined ? x : where(flags, x, NaN));
  return { ...hidden, query: marked(hidden.query, shown[0]), key: marked(hidden.key, shown[1]) };
}

/** True where a row holds neither NaN nor ±∞, `[B, H, n, 1]`; `undefined` where all do. */
function finiteRows(x: Tensor): Tensor | undefined {
  const finite = equal(sum(mul(x.detach(), 0), -1), 0); // 0 · x is NaN for NaN and ±∞, else 0.
  return all(finite).item() === 1 ? undefined : unsqueeze(finite, -1);
}
