import { symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle } from "d3-shape";
import { type Markup, html } from "../html.ts";

/** Okabe–Ito colours; on dark ground the darker ones give way to their lighter sisters. No colour speaks alone: dash and marker differ too. */
export const seriesColours: readonly (readonly [light: string, dark: string])[] = [
  ["#0072b2", "#56b4e9"], // blue, sky blue
  ["#d55e00", "#e69f00"], // vermillion, orange
  ["#009e73", "#2fc99b"], // bluish green (lightened on dark)
  ["#b0578f", "#cc79a7"], // reddish purple (darkened on light)
  ["#8a6d00", "#f0e442"], // yellow (darkened on light)
  ["#444444", "#bbbbbb"], // black
];
const dashes = ["", "7 3", "2 2.5", "9 3 2 3", "4 2", "1 3"];
const symbols = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolStar];

/** How each name looks throughout one report. */
export class SeriesStyles {
  readonly #names: string[] = [];

  constructor(names: readonly string[] = []) {
    this.#names.push(...names);
  }

  index(name: string): number {
    const found = this.#names.indexOf(name);
    return (found >= 0 ? found : this.#names.push(name) - 1) % seriesColours.length;
  }

  colour(name: string): string {
    return `var(--series-${this.index(name)})`;
  }

  dash(name: string): string {
    return dashes[this.index(name)]!;
  }

  marker(name: string, x: number, y: number, size = 34): Markup {
    return html`<path
      d="${symbol(symbols[this.index(name)]!, size)()!}"
      transform="translate(${x.toFixed(1)},${y.toFixed(1)})"
      fill="${this.colour(name)}"
      stroke="var(--ground)"
      stroke-width="1"
    />`;
  }

  legend(names: readonly string[]): Markup {
    return html`<ul class="legend">
      ${names.map(
        (name) =>
          html`<li>
            <svg width="34" height="12" viewBox="0 0 34 12" aria-hidden="true">
              <path d="M1 6H33" stroke="${this.colour(name)}" stroke-width="2" stroke-dasharray="${this.dash(name)}" />
              ${this.marker(name, 17, 6)}</svg
            >${name}
          </li>`,
      )}
    </ul>`;
  }
}
