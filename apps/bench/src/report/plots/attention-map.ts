import { number, percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { AttentionSample } from "../outcome.ts";

const side = 128;

/** The picture, dimmed where little attention goes, with a frame round the patch that gets most. */
export function attentionMap(
  { png, grid: [rows, columns], aspect = rows / columns }: Pick<AttentionSample, "png" | "grid" | "aspect">,
  label: string,
  weights: readonly number[],
): Markup {
  const height = side * aspect;
  const [w, h] = [side / columns, height / rows];
  const peak = Math.max(...weights);
  const top = weights.indexOf(peak);
  return html`<svg
    viewBox="0 0 ${side} ${px(height)}"
    role="img"
    aria-label="${label}: most weight, ${percent(peak)}, on the patch in row ${Math.floor(top / columns) + 1}, column ${(top % columns) + 1}."
  >
    <image href="${png}" width="${side}" height="${px(height)}" preserveAspectRatio="none" />
    ${weights.map((weight, index) => {
      const [x, y] = [(index % columns) * w, Math.floor(index / columns) * h];
      return html`<rect
        x="${px(x)}"
        y="${px(y)}"
        width="${px(w + 0.1)}"
        height="${px(h + 0.1)}"
        fill="#000"
        fill-opacity="${number(0.84 * (1 - Math.sqrt(peak > 0 ? weight / peak : 0)), 2)}"
        ><title>${percent(weight)}</title></rect
      >`;
    })}
    <rect
      x="${px((top % columns) * w + 0.75)}"
      y="${px(Math.floor(top / columns) * h + 0.75)}"
      width="${px(w - 1.5)}"
      height="${px(h - 1.5)}"
      fill="none"
      stroke="#f0e442"
      stroke-width="1.5"
    />
  </svg>`;
}
