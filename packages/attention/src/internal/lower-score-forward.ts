import { tensor, type Tensor } from "@heed/tensor/light";
import type { Score, ScoreForm } from "@heed/tensor/terms";

/** `lowerScore` for calls that nobody differentiates: in plain loops, which bring no kernels along. */
export function lowerScoreForward(score: Score, query: Tensor, key: Tensor): ScoreForm {
  const form = score.lower(query, key);
  if (form.query === query && form.key === key) return form;
  const bad = [query, key].map(badRows);
  if (bad.every((rows) => rows.length === 0)) return form;
  const hidden = score.lower(filled(query, bad[0], 0), filled(key, bad[1], 0));
  return { ...hidden, query: filled(hidden.query, bad[0], NaN), key: filled(hidden.key, bad[1], NaN) };
}

/** The numbers of the rows that hold NaN or ±∞. */
function badRows(x: Tensor): number[] {
  const width = x.shape[3];
  const rows = new Set<number>();
  x.toTypedArray().forEach((value, i) => {
    if (!Number.isFinite(value)) rows.add(Math.floor(i / width));
  });
  return [...rows];
}

function filled(x: Tensor, rows: readonly number[], value: number): Tensor {
  if (rows.length === 0) return x;
  const width = x.shape[3];
  const values = x.toTypedArray();
  for (const row of rows) values.fill(value, row * width, (row + 1) * width);
  return tensor(values, { shape: x.shape, dtype: x.dtype });
}
