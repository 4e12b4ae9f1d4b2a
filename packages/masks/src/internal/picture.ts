import type { TermContext } from "@heed/tensor/terms";
import type { Rows } from "./interval-mask.ts";

/** Longer sides are left out of text: a terminal has about so many columns. */
const WIDEST = 120;

/** Text of the first sample and head. */
export function textOf(rows: Rows, { L, S }: TermContext): string {
  const lines: string[] = [];
  for (let i = 0; i < Math.min(L, WIDEST); i++) {
    const cells = new Array<string>(Math.min(S, WIDEST)).fill("·");
    const at = rows.at(0, 0, i);
    for (let k = 0; k < at.length; k += 2) cells.fill("■", Math.min(at[k], WIDEST), Math.min(at[k + 1], WIDEST));
    lines.push(cells.join(" ") + (S > WIDEST ? " …" : ""));
  }
  if (L > WIDEST) lines.push("…");
  return lines.join("\n");
}

/** SVG of the first sample and head: one rectangle per run of keys. */
export function pictureOf(name: string, rows: Rows, { L, S }: TermContext): string {
  const cell = Math.max(1, Math.min(16, Math.floor(512 / Math.max(L, S, 1))));
  const runs: string[] = [];
  for (let i = 0; i < L; i++) {
    const at = rows.at(0, 0, i);
    for (let k = 0; k < at.length; k += 2) {
      if (at[k + 1] > at[k])
        runs.push(`M${at[k] * cell} ${i * cell}h${(at[k + 1] - at[k]) * cell}v${cell}h${-(at[k + 1] - at[k]) * cell}z`);
    }
  }
  const [width, height] = [S * cell, L * cell];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">` +
    `<title>${name}: ${L} queries (rows) × ${S} keys (columns); filled = may attend</title>` +
    `<path d="M0 0h${width}v${height}h${-width}z" fill="#e8e8ec"/><path d="${runs.join("")}" fill="#00366c"/></svg>`
  );
}
