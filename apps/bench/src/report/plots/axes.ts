import { type ScaleContinuousNumeric } from "d3-scale";
import { type Markup, html, px } from "../html.ts";

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Room to the left of rows with these names, in the bold letters of `row-label`. */
export function roomForNames(names: readonly string[]): number {
  return Math.max(84, 16 + 7.6 * Math.max(...names.map(({ length }) => length)));
}

type Scale = ScaleContinuousNumeric<number, number>;
type Format = (value: number) => string;

/** Grid lines with their values at the left, and the axis' name above them. */
export function yAxis(frame: Frame, scale: Scale, label: string, format: Format, count = 5): Markup {
  const right = frame.width - frame.right;
  return html`<text class="axis-label" x="0" y="12">${label}</text>${scale
      .ticks(count)
      .map(
        (tick) =>
          html` <path class="grid" d="M${px(frame.left)} ${px(scale(tick))}H${px(right)}" /><text
              class="tick"
              x="${px(frame.left - 6)}"
              y="${px(scale(tick) + 4)}"
              text-anchor="end"
              >${format(tick)}</text
            >`,
      )}`;
}

/** A base line with ticks and values below it, and the axis' name at the right end. */
export function xAxis(frame: Frame, scale: Scale, label: string, format: Format, count = 6): Markup {
  const [right, y] = [frame.width - frame.right, frame.height - frame.bottom];
  return html`<path class="axis" d="M${px(frame.left)} ${px(y)}H${px(right)}" />${scale
      .ticks(count)
      .map(
        (tick) =>
          html` <path class="axis" d="M${px(scale(tick))} ${px(y)}v4" /><text
              class="tick"
              x="${px(scale(tick))}"
              y="${px(y + 17)}"
              text-anchor="middle"
              >${format(tick)}</text
            >`,
      )} <text class="axis-label" x="${px(right)}" y="${px(y + 34)}" text-anchor="end">${label}</text>`;
}
