// What positions look like: encodings that are added, and biases on the score. Give a folder to get the picture.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alibi, ContinuousPositions, quadraticBias, RecurrentPositions, sinusoidal, t5Bias } from "@heed/positional";
import { configure, noGrad, normal, randomKey, reshape, tensor, zeros, type Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";

configure({ precision: "deterministic" }); // the same picture on every engine
const [L, width] = [32, 24];
const key = randomKey(7);
const context = { B: 1, H: 1, L, S: L, queryOffset: 0 };
/** The first head of a bias. */
const map = (bias: Bias) => reshape(bias.dense(context).slice(1, 0, 1), [L, L]);

const panels: Readonly<Record<string, Tensor>> = noGrad(() => ({
  sinusoidal: sinusoidal(L, width),
  recurrent: new RecurrentPositions(width).forward(zeros([L, width])),
  continuous: new ContinuousPositions(width, { key }).encodings(Array.from({ length: L }, (_, n) => n)),
  ALiBi: map(alibi({ numHeads: 1 })),
  "T5 buckets": map(t5Bias({ weight: normal(key.split("t5"), [16, 1]), maxDistance: 32 })),
  // On a grid of 4 × 8: this head looks one row down and two columns to the right.
  "quadratic, 4 × 8": map(quadraticBias({ centers: tensor([[1, 2]]), alpha: tensor([0.3]), grid: [4, 8] })),
}));

const [cell, gap] = [5, 24];
let x = 0;
const parts = Object.entries(panels).map(([name, values]) => {
  const rows = values.toArray() as number[][];
  const most = Math.max(...rows.flat().map(Math.abs));
  const columns = rows[0]!.length;
  const paths = new Map<string, string>();
  rows.forEach((row, i) => {
    for (let j = 0, from = 0; j < columns; j++) {
      const own = colour(row[j]! / most);
      if (j + 1 < columns && colour(row[j + 1]! / most) === own) continue;
      paths.set(own, `${paths.get(own) ?? ""}M${from} ${i}h${j + 1 - from}v1h${from - j - 1}z`);
      from = j + 1;
    }
  });
  const cells = [...paths].map(([fill, d]) => `<path fill="${fill}" d="${d}"/>`).join("");
  const panel =
    `<g transform="translate(${x} 20)"><text y="-6" font-size="12" fill="#666">${name}</text>` +
    `<g transform="scale(${cell})">${cells}</g></g>`;
  x += columns * cell + gap;
  console.log(`${name.padEnd(18)} ${values.shape.join(" × ")}, up to ${most.toFixed(2)}`);
  return panel;
});
const [wide, high] = [x - gap, L * cell + 20];
const picture =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}" role="img" font-family="sans-serif" ` +
  `shape-rendering="crispEdges"><title>Encodings of ${L} positions, and biases between them</title>${parts.join("")}</svg>\n`;

const folder = process.argv[2];
if (folder !== undefined) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "positions.svg"), picture);
}

/** From blue at −1 over white to orange at 1, in 16 steps a side. */
function colour(value: number): string {
  const strength = Math.round(Math.min(1, Math.abs(value)) * 16) / 16;
  const end = value < 0 ? [0, 54, 108] : [200, 80, 30];
  return `#${end
    .map((channel) =>
      Math.round(255 + (channel - 255) * strength)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}
