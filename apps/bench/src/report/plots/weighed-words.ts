import { number, percent } from "../../format.ts";
import { type Markup, html } from "../html.ts";

/** A text; the more of the largest weight a word has, the stronger the colour behind it. */
export function weighedWords(words: readonly string[], weights: readonly number[]): Markup {
  const most = Math.max(...weights);
  return html`<p class="weighed">
    ${words.map((word, i) => {
      const share = most > 0 ? weights[i]! / most : 0;
      return html`<span style="--share:${number(share, 2)}" title="${percent(weights[i]!)}">${word}</span> `;
    })}
  </p>`;
}
