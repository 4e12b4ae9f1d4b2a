import { interpolateCividis } from "d3-scale-chromatic";
import { percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { WeightsSample } from "../outcome.ts";

const [cell, font, letter] = [24, 12, 6.8] as const;

/** Rows look at columns; the brighter a cell, the more weight. Text stands on both sides as it was read. */
export function weightsPlot({ title, rows, columns, weights }: WeightsSample): Markup {
  const space = (names: readonly string[]) => Math.max(0, ...names.map(({ length }) => length)) * letter + 10;
  const [left, top] = [space(rows), space(columns)];
  const [width, height] = [left + columns.length * cell + 2, top + rows.length * cell + 2];
  const most = rows.map((row, i) => `${row}: ${columns[weights[i]!.indexOf(Math.max(...weights[i]!))] ?? "nothing"}`);
  return html`<svg
    viewBox="0 0 ${px(width)} ${px(height)}"
    role="img"
    aria-label="${title}. Most weight of ${most.join(", ")}."
    font-size="${font}"
    style="max-width:${px(1.15 * width)}px"
  >
    ${columns.map((name, j) => html`<text class="tick" transform="translate(${px(left + (j + 0.5) * cell + font * 0.35)},${px(top - 4)}) rotate(-90)">${name}</text>`)}
    ${rows.map((name, i) => html`<text class="tick" x="${px(left - 5)}" y="${px(top + (i + 0.5) * cell + font * 0.35)}" text-anchor="end">${name}</text>`)}
    ${weights.map((row, i) =>
      row.map(
        (weight, j) =>
          html`<rect
            x="${px(left + j * cell)}"
            y="${px(top + i * cell)}"
            width="${px(cell - 0.8)}"
            height="${px(cell - 0.8)}"
            fill="${interpolateCividis(Math.sqrt(Math.max(0, Math.min(1, weight))))}"
            ><title>${rows[i]} looks at ${columns[j]}: ${percent(weight, 0)}</title></rect
          >`,
      ),
    )}
  </svg>`;
}
