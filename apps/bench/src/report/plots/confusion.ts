import { interpolateCividis } from "d3-scale-chromatic";
import { percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";

/** Up to here a cell has room for its number. */
const numberedClasses = 12;
/** Names of more letters stand at the rows only, numbered; columns have the numbers. */
export const longName = 14;
const longestShown = 36;

/** Rows are the true classes, columns what was predicted; colour is the share of the row. */
export function confusionPlot(name: string, classes: readonly string[], counts: readonly (readonly number[])[]): Markup {
  const size = classes.length;
  const cell = size <= numberedClasses ? 26 : Math.max(9, 320 / size);
  const font = Math.min(10.5, cell * 0.82);
  const long = classes.some((text) => text.length > longName);
  const rowNames = classes.map((text, index) => (long ? `${shortened(text)} · ${index + 1}` : text));
  const columnNames = classes.map((text, index) => (long ? String(index + 1) : text));
  const space = (names: readonly string[]) => Math.max(...names.map((text) => text.length)) * font * 0.56 + 8;
  const [left, top] = [space(rowNames), long ? font + 6 : space(columnNames)];
  const side = size * cell;
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const right = counts.reduce((sum, row, index) => sum + row[index]!, 0) / totals.reduce((sum, total) => sum + total, 0);
  return html`<svg
    viewBox="0 0 ${px(left + side + 2)} ${px(top + side + 2)}"
    role="img"
    aria-label="Confusion matrix of ${name}: ${percent(right)} on the diagonal."
    font-size="${px(font)}"
  >
    ${classes.map((name, index) => {
      const at = (index + 0.5) * cell + font * 0.35;
      return html`<text class="tick" x="${px(left - 4)}" y="${px(top + at)}" text-anchor="end">${rowNames[index]}</text>
        <text
          class="tick"
          ${long ? html`x="${px(left + (index + 0.5) * cell)}" y="${px(top - 4)}" text-anchor="middle"` : html`transform="translate(${px(left + at)},${px(top - 4)}) rotate(-90)"`}
          >${columnNames[index]}<title>${name}</title></text
        >`;
    })}
    ${counts.map((row, truth) =>
      row.map((count, predicted) => {
        const share = totals[truth]! > 0 ? count / totals[truth]! : 0;
        const [x, y] = [left + predicted * cell, top + truth * cell];
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

function shortened(text: string): string {
  return text.length <= longestShown ? text : `${text.slice(0, longestShown - 1)}…`;
}
