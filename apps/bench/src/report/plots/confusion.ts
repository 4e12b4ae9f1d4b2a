import { interpolateCividis } from "d3-scale-chromatic";
import { percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";

/** Up to here a cell has room for its number. */
const numberedClasses = 12;

/** Rows are the true classes, columns what was predicted; colour is the share of the row. */
export function confusionPlot(name: string, classes: readonly string[], counts: readonly (readonly number[])[]): Markup {
  const size = classes.length;
  const cell = size <= numberedClasses ? 26 : Math.max(9, 320 / size);
  const font = Math.min(10.5, cell * 0.82);
  const label = Math.min(110, Math.max(...classes.map((text) => text.length)) * font * 0.56 + 8);
  const side = size * cell;
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const right = counts.reduce((sum, row, index) => sum + row[index]!, 0) / totals.reduce((sum, total) => sum + total, 0);
  return html`<svg
    viewBox="0 0 ${px(label + side + 2)} ${px(label + side + 2)}"
    role="img"
    aria-label="Confusion matrix of ${name}: ${percent(right)} on the diagonal."
    font-size="${px(font)}"
  >
    ${classes.map(
      (text, index) =>
        html`<text class="tick" x="${px(label - 4)}" y="${px(label + (index + 0.5) * cell + font * 0.35)}" text-anchor="end">${text}</text>
          <text class="tick" transform="translate(${px(label + (index + 0.5) * cell + font * 0.35)},${px(label - 4)}) rotate(-90)"
            >${text}</text
          >`,
    )}
    ${counts.map((row, truth) =>
      row.map((count, predicted) => {
        const share = totals[truth]! > 0 ? count / totals[truth]! : 0;
        const [x, y] = [label + predicted * cell, label + truth * cell];
        // Square root: a confusion of some percent should not look like none.
        return html`<rect
            x="${px(x)}"
            y="${px(y)}"
            width="${px(cell - 0.8)}"
            height="${px(cell - 0.8)}"
            fill="${interpolateCividis(Math.sqrt(share))}"
            >${count > 0 && html`<title>${classes[truth]} taken for ${classes[predicted]}: ${count} of ${totals[truth]}</title>`}</rect
          >${size <= numberedClasses && count > 0 && html`<text x="${px(x + cell / 2)}" y="${px(y + cell / 2 + 3.5)}" text-anchor="middle" fill="${Math.sqrt(share) > 0.55 ? "#111" : "#fff"}" pointer-events="none">${count}</text>`}`;
      }),
    )}
  </svg>`;
}
