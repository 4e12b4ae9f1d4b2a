import { writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Draws `attention.svg`, the picture of the README: one query over "Bonjour le monde". Every length and number in it is computed here
 * from the four vectors. Run it with `node docs/draw-picture.ts`.
 */
type Vector = readonly [x: number, y: number];

const query: Vector = [0.8, 0.3];
const words: { text: string; vector: Vector }[] = [
  { text: "Bonjour", vector: [1.0, 0.5] },
  { text: "le", vector: [0.8, 1.2] },
  { text: "monde", vector: [0.2, 1.5] },
];

const scores = words.map(({ vector }) => query[0] * vector[0] + query[1] * vector[1]);
const exponentials = scores.map((score) => Math.exp(score));
const total = exponentials.reduce((sum, each) => sum + each, 0);
const weights = exponentials.map((each) => each / total);
const context = [0, 1].map((axis) => words.reduce((sum, { vector }, i) => sum + weights[i]! * vector[axis]!, 0)) as unknown as Vector;

const ink = "#1f2933";
const faint = "#6b7785";
const line = "#d5dbe1";
const orange = "#c8590a";
const largestWeight = 0.5; // the light end of the colour bar

/** Cividis, as the polynomial of d3-scale-chromatic; t from 0 (dark blue) to 1 (yellow). */
function cividis(t: number): string {
  const r = -4.54 - t * (35.34 - t * (2381.73 - t * (6402.7 - t * (7024.72 - t * 2710.57))));
  const g = 32.49 + t * (170.73 + t * (52.82 - t * (131.46 - t * (176.58 - t * 67.37))));
  const b = 81.24 + t * (442.36 - t * (2482.43 - t * (6167.24 - t * (6614.94 - t * 2475.67))));
  const hex = [r, g, b].map((channel) => Math.round(Math.min(255, Math.max(0, channel))).toString(16).padStart(2, "0"));
  return `#${hex.join("")}`;
}
const colourOf = (weight: number) => cividis(weight / largestWeight);

const parts: string[] = [];
const add = (...elements: string[]) => parts.push(...elements);
const text = (x: number, y: number, content: string, more = "") => add(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`);

/** A pair of axes with its origin at (left, bottom); returns where a vector lands. */
function axes(left: number, bottom: number): (vector: Vector) => Vector {
  const unit = 118;
  for (const tick of [0.5, 1, 1.5]) {
    add(`<path d="M${left} ${bottom - tick * unit}h${1.3 * unit}" stroke="${line}"/>`);
    text(left - 7, bottom - tick * unit + 4, String(tick), `class="tick" text-anchor="end"`);
  }
  for (const tick of [0.5, 1]) {
    add(`<path d="M${left + tick * unit} ${bottom}v${-1.62 * unit}" stroke="${line}"/>`);
    text(left + tick * unit, bottom + 15, String(tick), `class="tick" text-anchor="middle"`);
  }
  add(`<path d="M${left} ${bottom - 1.62 * unit}V${bottom}h${1.3 * unit}" stroke="${faint}" fill="none"/>`);
  return ([x, y]) => [left + x * unit, bottom - y * unit];
}

function arrow(from: Vector, to: Vector, colour: string, width: number): void {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy);
  const head = 3.2 * width;
  const [ux, uy] = [dx / length, dy / length];
  const [bx, by] = [to[0] - ux * head, to[1] - uy * head]; // where the shaft ends and the head begins
  const side = head * 0.45;
  const point = (x: number, y: number) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  add(
    `<path d="M${point(...from)}L${point(bx, by)}" stroke="${colour}" stroke-width="${width}"/>`,
    `<path d="M${point(...to)}L${point(bx - uy * side, by + ux * side)}L${point(bx + uy * side, by - ux * side)}Z" fill="${colour}"/>`,
  );
}

const [width, height] = [960, 330];
const bottom = 272;

// 1. The vectors.
text(44, 34, "1  One query, three keys", `class="title"`);
const left = axes(62, bottom);
const origin: Vector = [0, 0];
for (const { text: word, vector } of words) {
  arrow(left(origin), left(vector), faint, 2.4);
  const [x, y] = left(vector);
  text(x + 7, y + 4, word, `fill="${faint}"`);
}
arrow(left(origin), left(query), ink, 3.4);
text(left(query)[0] + 6, left(query)[1] + 14, "query", `font-weight="600"`);

// 2. and 3. One row per key: its score, its weight.
const rowY = (i: number) => 104 + i * 56;
const [wordX, barX, cellX] = [322, 332, 530];
text(barX, 34, "2  Scores", `class="title"`);
text(barX, 54, "query · key", `class="note"`);
text(cellX, 34, "3  Weights", `class="title"`);
text(cellX, 54, "softmax: they sum to 1", `class="note"`);
words.forEach(({ text: word }, i) => {
  const y = rowY(i);
  text(wordX, y + 5, word, `text-anchor="end"`);
  const length = scores[i]! * 110;
  add(`<rect x="${barX}" y="${y - 14}" width="${length.toFixed(1)}" height="28" rx="3" fill="#9aa7b4"/>`);
  text(barX + length + 7, y + 5, scores[i]!.toFixed(2));
  add(`<path d="M${barX + 158} ${y}h26" stroke="${line}" stroke-width="2"/>`, `<path d="M${barX + 191} ${y}l-8 -4.5v9z" fill="${line}"/>`);
  add(`<rect x="${cellX}" y="${y - 22}" width="76" height="44" rx="4" fill="${colourOf(weights[i]!)}"/>`);
  const onDark = weights[i]! / largestWeight < 0.62;
  text(cellX + 38, y + 5, weights[i]!.toFixed(2), `text-anchor="middle" font-weight="600" fill="${onDark ? "#ffffff" : ink}"`);
});
for (let i = 0; i < 50; i++) add(`<rect x="${(cellX + i * 1.52).toFixed(2)}" y="264" width="1.9" height="8" fill="${cividis((i + 0.5) / 50)}"/>`);
text(cellX, 287, "0", `class="tick"`);
text(cellX + 76, 287, String(largestWeight), `class="tick" text-anchor="end"`);

// 4. The values, each as long as its weight says, laid tip to tail.
const sumX = 738;
text(sumX - 18, 34, "4  The weighted sum", `class="title"`);
const right = axes(sumX, bottom);
let from: Vector = origin;
words.forEach(({ text: word, vector }, i) => {
  const to: Vector = [from[0] + weights[i]! * vector[0], from[1] + weights[i]! * vector[1]];
  arrow(right(from), right(to), colourOf(weights[i]!), 3.4);
  const [x, y] = right([(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]);
  text(x + 9 + (i === 0 ? 18 : 0), y + (i === 0 ? 3 : 9), `${weights[i]!.toFixed(2)} ${word}`, `class="note"`);
  from = to;
});
arrow(right(origin), right(context), orange, 3.4);
const [tipX, tipY] = right(context);
text(tipX - 4, tipY - 24, "context", `text-anchor="middle" font-weight="600" fill="${orange}"`);
text(tipX - 4, tipY - 9, `(${context.map((each) => each.toFixed(2)).join(", ")})`, `class="note" text-anchor="middle" style="fill:${orange}"`);

text(44, 316, "The better a key answers the query, the more of its value is in the context. Keys and values are the same vectors here.", `class="note"`);

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title" fill="${ink}">
<title id="title">One query scores three keys (${scores.map((each) => each.toFixed(2)).join(", ")}), softmax turns the scores into weights (${weights.map((each) => each.toFixed(2)).join(", ")}), and the weighted sum of the values is the context (${context.map((each) => each.toFixed(2)).join(", ")}).</title>
<style>text{font:15px system-ui,sans-serif}.title{font-size:16px;font-weight:600}.note{font-size:13px;fill:${faint}}.tick{font-size:11px;fill:${faint}}</style>
<rect width="${width}" height="${height}" rx="10" fill="#ffffff"/>
${parts.join("\n")}
</svg>
`;
writeFileSync(join(import.meta.dirname, "attention.svg"), svg);
