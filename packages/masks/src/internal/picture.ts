import type { TermContext } from "@heed/tensor/terms";
import type { Rows } from "./interval-mask.ts";
import { verdictsOf } from "./lower.ts";
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

/** Longest side of a picture. */
const LONGEST = 512;

/** SVG of the first sample and head: one rectangle per run of keys, and per block of rows that are alike. */
export function pictureOf(name: string, rows: Rows, context: TermContext, tile?: number): string {
  const { L, S } = context;
  const cell = Math.min(16, LONGEST / Math.max(L, S, 1));
  const [width, height] = [S * cell, L * cell].map((side) => Math.round(side * 100) / 100);
  const title = escaped(`${name}: ${L} queries (rows) × ${S} keys (columns); filled = may attend`);
  const rect = (fill: string, d: string) => (d === "" ? "" : `<path d="${d}" fill="${fill}"/>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${S} ${L}" width="${width}" height="${height}" role="img" shape-rendering="crispEdges">` +
    `<title>${title}</title>` +
    rect("#e8e8ec", `M0 0h${S}v${L}h${-S}z`) +
    rect("#00366c", openPairs(rows, L)) +
    (cell < 6 ? "" : `<path d="${lines(L, S)}" stroke="#fff" stroke-width="${1 / cell}" fill="none"/>`) +
    (tile === undefined ? "" : verdictPaths(rows, context, tile, 1.5 / cell)) +
    `</svg>`
  );
}

function openPairs(rows: Rows, L: number): string {
  const parts: string[] = [];
  const runs = new Runs();
  rows.fill(0, 0, 0, L, runs);
  const rowOf = (r: number) => runs.bounds.subarray(runs.ends[r], runs.ends[r + 1]);
  for (let r = 0; r < runs.rows;) {
    const own = rowOf(r);
    let next = r + 1;
    while (next < runs.rows && same(own, rowOf(next))) next++;
    for (let k = 0; k < own.length; k += 2) {
      const wide = own[k + 1] - own[k];
      parts.push(`M${own[k]} ${r}h${wide}v${next - r}h${-wide}z`);
    }
    r = next;
  }
  return parts.join("");
}

const same = (a: Int32Array, b: Int32Array): boolean => a.length === b.length && a.every((bound, k) => bound === b[k]);

/** Full tiles in a colour of their own, mixed ones in a frame. */
function verdictPaths(rows: Rows, context: TermContext, tile: number, frame: number): string {
  const verdicts = verdictsOf({ ...rows, batches: 1, heads: 1 }, context, tile, tile);
  const across = Math.ceil(context.S / tile);
  const paths = ["", "", ""];
  verdicts.forEach((verdict, at) => {
    const [row, column] = [Math.floor(at / across) * tile, (at % across) * tile];
    const [high, wide] = [Math.min(tile, context.L - row), Math.min(tile, context.S - column)];
    paths[verdict] += `M${column} ${row}h${wide}v${high}h${-wide}z`;
  });
  return (
    (paths[1] === "" ? "" : `<path d="${paths[1]}" fill="#7aa6d1"/>`) +
    (paths[2] === "" ? "" : `<path d="${paths[2]}" fill="none" stroke="#c8501e" stroke-width="${frame}"/>`)
  );
}

function lines(L: number, S: number): string {
  const down = Array.from({ length: Math.max(S - 1, 0) }, (_, j) => `M${j + 1} 0v${L}`);
  const across = Array.from({ length: Math.max(L - 1, 0) }, (_, i) => `M0 ${i + 1}h${S}`);
  return [...down, ...across].join("");
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
