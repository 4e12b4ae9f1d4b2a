import type { TermContext } from "@heed/tensor/terms";
import type { Rows } from "./interval-mask.ts";
import { Runs } from "./runs.ts";

/** Longer sides are left out of text: a terminal has about so many columns. */
const WIDEST = 120;

/** Text of the first sample and head. */
export function textOf(rows: Rows, { L, S }: TermContext): string {
  const lines: string[] = [];
  const runs = new Runs();
  rows.fill(0, 0, 0, Math.min(L, WIDEST), runs);
  for (let r = 0; r < runs.rows; r++) {
    const cells = new Array<string>(Math.min(S, WIDEST)).fill("·");
    for (let k = runs.ends[r]; k < runs.ends[r + 1]; k += 2)
      cells.fill("■", Math.min(runs.bounds[k], WIDEST), Math.min(runs.bounds[k + 1], WIDEST));
    lines.push(cells.join(" ") + (S > WIDEST ? " …" : ""));
  }
  if (L > WIDEST) lines.push("…");
  return lines.join("\n");
}

/** SVG of the first sample and head: one rectangle per run of keys. */
export function pictureOf(name: string, rows: Rows, { L, S }: TermContext): string {
  const cell = Math.max(1, Math.min(16, Math.floor(512 / Math.max(L, S, 1))));
  const paths: string[] = [];
  const runs = new Runs();
  rows.fill(0, 0, 0, L, runs);
  for (let r = 0; r < runs.rows; r++) {
    for (let k = runs.ends[r]; k < runs.ends[r + 1]; k += 2) {
      const [low, high] = [runs.bounds[k], runs.bounds[k + 1]];
      paths.push(`M${low * cell} ${r * cell}h${(high - low) * cell}v${cell}h${-(high - low) * cell}z`);
    }
  }
  const [width, height] = [S * cell, L * cell];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">` +
    `<title>${name}: ${L} queries (rows) × ${S} keys (columns); filled = may attend</title>` +
    `<path d="M0 0h${width}v${height}h${-width}z" fill="#e8e8ec"/><path d="${paths.join("")}" fill="#00366c"/></svg>`
  );
}
