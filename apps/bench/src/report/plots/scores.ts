import { extent } from "d3-array";
import { scaleLinear } from "d3-scale";
import { deviation, mean, number, percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { ScoresSection } from "../outcome.ts";
import { type Frame, roomForNames, xAxis } from "./axes.ts";
import type { SeriesStyles } from "./series-style.ts";

const rowHeight = 44;

/** A row per model: mean as its marker, ± one deviation as a bar, single runs as small rings; reference lines across. */
export function scoresPlot(section: ScoresSection, styles: SeriesStyles): Markup {
  const rows = section.rows.filter(({ values }) => values.length > 0);
  const references = section.references ?? [];
  const labelSpace = 12 + 14 * references.length;
  const left = roomForNames(rows.map(({ name }) => name));
  const height = labelSpace + rows.length * rowHeight + 44;
  const frame: Frame = { width: left + 356, height, left, right: 24, top: labelSpace, bottom: 44 };
  const [, high = 1] = extent([...rows.flatMap(({ values }) => values), ...references.map(({ value }) => value)]);
  const x = scaleLinear([0, section.percent ? Math.min(1, high * 1.08) : high * 1.08], [frame.left, frame.width - frame.right]).nice(5);
  const show = (value: number) => (section.percent ? percent(value) : number(value));
  const base = frame.height - frame.bottom;
  return html`<svg
    viewBox="0 0 ${frame.width} ${frame.height}"
    role="img"
    aria-label="${section.label}: ${rows.map(({ name, values }) => `${name} ${show(mean(values))}`).join(", ")}."
  >
    ${x.ticks(5).map((tick) => html`<path class="grid" d="M${px(x(tick))} ${frame.top}V${base}" />`)}
    ${xAxis(frame, x, section.label, (value) => (section.percent ? percent(value, 0) : String(value)), 5)}
    ${references.map(({ value }, index) => html`<path class="reference" d="M${px(x(value))} ${4 + index * 14}V${base}" />`)}
    ${references.map(({ label, value }, index) => {
      // Labels hang to the side with more room, over the lines of the others.
      const atRight = x(value) < frame.width / 2;
      return html`<text
        class="reference-label"
        x="${px(x(value) + (atRight ? 5 : -5))}"
        y="${13 + index * 14}"
        text-anchor="${atRight ? "start" : "end"}"
        >${label}, ${show(value)}</text
      >`;
    })}
    ${rows.map(({ name, values }, index) => {
      const y = frame.top + (index + 0.5) * rowHeight;
      const centre = mean(values);
      const spread = deviation(values);
      return html`<text class="row-label" x="${frame.left - 12}" y="${px(y + 4)}" text-anchor="end">${name}</text>
        ${spread !== null && html`<path d="M${px(x(Math.max(0, centre - spread)))} ${px(y)}H${px(x(centre + spread))}" stroke="${styles.colour(name)}" stroke-width="9" stroke-linecap="round" opacity="0.28" />`}
        ${values.length > 1 && values.map((value) => html`<circle cx="${px(x(value))}" cy="${px(y)}" r="3.2" fill="none" stroke="${styles.colour(name)}" stroke-width="1.3" />`)}
        ${styles.marker(name, x(centre), y, 90)}<text class="value" x="${px(x(centre))}" y="${px(y - 11)}" text-anchor="middle"
          >${show(centre)}</text
        >`;
    })}
  </svg>`;
}
