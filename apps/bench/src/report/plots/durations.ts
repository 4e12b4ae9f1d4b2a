import { scaleLinear } from "d3-scale";
import { number, quantile } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { DurationSection } from "../outcome.ts";
import { type Frame, roomForNames, xAxis } from "./axes.ts";
import type { SeriesStyles } from "./series-style.ts";

const rowHeight = 40;

/** A row per model: whiskers from the 10th to the 90th percentile, a box for the middle half, a stroke at the median. */
export function durationsPlot({ rows: all, label }: DurationSection, styles: SeriesStyles): Markup {
  const rows = all
    .filter(({ values }) => values.length > 0)
    .map(({ name, values }) => ({ name, q: [0.1, 0.25, 0.5, 0.75, 0.9].map((share) => quantile(values, share)) }));
  if (rows.length === 0) return html`<p class="empty">Nothing was measured before the interruption.</p>`;
  const left = roomForNames(rows.map(({ name }) => name));
  const frame: Frame = { width: left + 356, height: rows.length * rowHeight + 54, left, right: 24, top: 10, bottom: 44 };
  const x = scaleLinear([0, Math.max(...rows.map(({ q }) => q[4]!)) * 1.05], [frame.left, frame.width - frame.right]);
  const base = frame.height - frame.bottom;
  return html`<svg
    viewBox="0 0 ${frame.width} ${frame.height}"
    role="img"
    aria-label="${label}: median ${rows.map(({ name, q }) => `${name} ${number(q[2]!)}`).join(", ")}."
  >
    ${x.ticks(5).map((tick) => html`<path class="grid" d="M${px(x(tick))} ${frame.top}V${base}" />`)} ${xAxis(frame, x, label, String, 5)}
    ${rows.map(({ name, q }, index) => {
      const y = frame.top + (index + 0.5) * rowHeight;
      const [p10, p25, p50, p75, p90] = q.map((value) => x(value)) as [number, number, number, number, number];
      const colour = styles.colour(name);
      return html`<text class="row-label" x="${frame.left - 12}" y="${px(y + 4)}" text-anchor="end">${name}</text>
        <path
          d="M${px(p10)} ${px(y)}H${px(p90)}M${px(p10)} ${px(y - 5)}v10M${px(p90)} ${px(y - 5)}v10"
          stroke="${colour}"
          stroke-width="1.5"
          fill="none"
        />
        <rect x="${px(p25)}" y="${px(y - 8)}" width="${px(Math.max(1, p75 - p25))}" height="16" rx="2" fill="var(--ground)" />
        <rect
          x="${px(p25)}"
          y="${px(y - 8)}"
          width="${px(Math.max(1, p75 - p25))}"
          height="16"
          rx="2"
          fill="${colour}"
          fill-opacity="0.3"
          stroke="${colour}"
          stroke-width="1.3"
        />
        <path d="M${px(p50)} ${px(y - 8)}v16" stroke="${colour}" stroke-width="3" />
        <text class="value" x="${px(p50)}" y="${px(y - 12)}" text-anchor="middle">${number(q[2]!)}</text>`;
    })}
  </svg>`;
}
