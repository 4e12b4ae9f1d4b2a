import { extent } from "d3-array";
import { scaleLinear, scaleLog } from "d3-scale";
import { area, curveMonotoneX, line } from "d3-shape";
import { compact, deviation, mean, number, percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { CurvesSection } from "../outcome.ts";
import { type Frame, xAxis, yAxis } from "./axes.ts";
import type { SeriesStyles } from "./series-style.ts";

type Plot = CurvesSection["plots"][number];

interface Point {
  readonly x: number;
  readonly y: number;
  /** Half the height of the band; null for a single run. */
  readonly band: number | null;
}

const frame: Frame = { width: 340, height: 250, left: 42, right: 8, top: 26, bottom: 42 };
const markers = 6;

/** One line per series: the mean of its runs, with a band of ± one standard deviation. */
export function curvesPlot(plot: Plot, styles: SeriesStyles): Markup {
  const series = plot.series.map(({ name, runs }) => ({ name, points: average(runs) })).filter(({ points }) => points.length > 0);
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return html`<p class="empty">Nothing was measured before the interruption.</p>`;
  const references = plot.references ?? [];
  // Names of reference lines stand where the curves are not.
  const [begin, end] = [0, -1].map((at) => mean(series.map(({ points }) => points.at(at)!.y))) as [number, number];
  const [lowX = 0, highX = 1] = extent(all, ({ x }) => x);
  const ys = [...all.flatMap(({ y, band }) => [y - (band ?? 0), y + (band ?? 0)]), ...references.map(({ value }) => value)].filter(
    (y) => Number.isFinite(y) && (!plot.log || y > 0),
  );
  const [lowY = 0, highY = 1] = extent(ys);
  const along = [frame.left, frame.width - frame.right];
  const x = plot.logX ? scaleLog([lowX, highX], along).base(2) : scaleLinear([Math.min(0, lowX), highX === 0 ? 1 : highX], along);
  const range = [frame.height - frame.bottom, frame.top];
  const y = plot.log
    ? scaleLog([lowY, Math.max(highY, lowY * 1.01)], range).nice()
    : scaleLinear([Math.min(0, lowY), highY > 0 ? Math.min(highY * 1.04, plot.percent ? 1 : Infinity) : 1], range);
  const clamp = (value: number) => Math.max(frame.top, Math.min(frame.height - frame.bottom, y(value)));
  const ribbon = area<Point>(
    ({ x: at }) => x(at),
    (point) => clamp(point.y - (point.band ?? 0)),
    (point) => clamp(point.y + (point.band ?? 0)),
  ).curve(curveMonotoneX);
  const stroke = line<Point>(
    ({ x: at }) => x(at),
    (point) => clamp(point.y),
  ).curve(curveMonotoneX);
  const formatX = (value: number) => (value >= 10000 ? compact(value) : String(value));
  const summary = series.map(({ name, points }) => `${name} ends at ${format(points.at(-1)!.y, plot)}`).join(", ");
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${plot.title}: ${summary}.">
    ${yAxis(frame, y, plot.y, (value) => (plot.percent ? percent(value, 0) : String(Number(value.toPrecision(6)))), plot.log ? 4 : 5)}
    ${xAxis(frame, x, plot.x, formatX)}
    ${references.map(({ value }) => html`<path class="reference" d="M${frame.left} ${px(y(value))}H${frame.width - frame.right}" />`)}
    ${references.map(({ label, value }) => {
      const atLeft = Math.abs(value - begin) > Math.abs(value - end);
      return html`<text
        class="reference-label"
        x="${atLeft ? frame.left + 4 : frame.width - frame.right}"
        y="${px(y(value) - 4)}"
        text-anchor="${atLeft ? "start" : "end"}"
        >${label}</text
      >`;
    })}
    ${series.map(({ name, points }) => html`${points.some(({ band }) => band !== null) && html`<path d="${ribbon(points)!}" fill="${styles.colour(name)}" opacity="0.16" />`}`)}
    ${series.map(
      ({ name, points }) =>
        html`<path
            d="${stroke(points)!}"
            fill="none"
            stroke="${styles.colour(name)}"
            stroke-width="2"
            stroke-linejoin="round"
            stroke-dasharray="${styles.dash(name)}"
          />
          ${marked(points).map((point) => styles.marker(name, x(point.x), clamp(point.y)))}`,
    )}
  </svg>`;
}

/** The plot as a table: each series' last value. */
export function curvesRows(plot: Plot): (readonly [name: string, first: string, last: string, best: string])[] {
  return plot.series.flatMap(({ name, runs }) => {
    const points = average(runs);
    if (points.length === 0) return [];
    const values = points.map(({ y }) => y);
    const last = points.at(-1)!;
    const best = plot.percent ? Math.max(...values) : Math.min(...values);
    return [
      [
        name,
        format(values[0]!, plot),
        `${format(last.y, plot)}${last.band === null ? "" : ` ± ${format(last.band, plot)}`}`,
        format(best, plot),
      ] as const,
    ];
  });
}

function format(value: number, { percent: asPercent }: Plot): string {
  return asPercent ? percent(value) : number(value);
}

/** Means point by point; where runs differ in length (an interruption), over those that got so far. */
function average(runs: readonly (readonly (readonly [number, number])[])[]): Point[] {
  const length = Math.max(0, ...runs.map((run) => run.length));
  return Array.from({ length }, (_, index) => {
    const here = runs.flatMap((run) => (index < run.length ? [run[index]!] : []));
    const values = here.map(([, y]) => y);
    return { x: mean(here.map(([x]) => x)), y: mean(values), band: deviation(values) };
  }).filter(({ y }) => Number.isFinite(y));
}

/** A few points to carry the series' marker, the last one always. */
function marked(points: readonly Point[]): Point[] {
  const every = Math.max(1, Math.ceil(points.length / markers));
  return points.filter((_, index) => (points.length - 1 - index) % every === 0);
}
