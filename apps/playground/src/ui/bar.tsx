import { cividis } from "./colour.ts";
import { format } from "./format.ts";

/** From the lowest to the highest of some scores, with zero within; at least 1 wide. */
export type Range = readonly [low: number, high: number];

export function rangeOf(scores: readonly number[]): Range {
  const [low, high] = [Math.min(0, ...scores), Math.max(0, ...scores)];
  const missing = Math.max(0, 1 - (high - low));
  return low < 0 && high <= 0 ? [low - missing, high] : [low, high + missing];
}

/** A score as a bar from zero: to the right in orange, to the left in blue, the paler the nearer. */
export function ScoreBar({ value, range: [low, high] }: { readonly value: number; readonly range: Range }) {
  const percent = (share: number) => `${(100 * share).toFixed(2)}%`;
  const at = (score: number) => (score - low) / (high - low);
  return (
    <span class="bar score-bar" aria-hidden="true" style={{ "--zero": percent(at(0)) }}>
      <span
        class={value < 0 ? "negative" : "positive"}
        style={{
          left: percent(at(Math.min(0, value))),
          width: percent(Math.abs(at(value) - at(0))),
          "--part": percent(0.35 + (0.65 * Math.abs(value)) / Math.max(-low, high)),
        }}
      />
    </span>
  );
}

/** A weight as a bar from 0 to 1; `colour` is its colour in the scale of all weights. */
export function WeightBar({ value, colour }: { readonly value: number; readonly colour: string }) {
  return (
    <span class="bar weight-bar" aria-hidden="true">
      <span style={{ width: `${100 * Math.min(1, Math.max(0, value))}%`, backgroundColor: colour }} />
    </span>
  );
}

/** Which colours stand for which weights. */
export function ColourKey({ top }: { readonly top: number }) {
  const stops = Array.from({ length: 13 }, (_, i) => cividis(i / 12)).join(", ");
  return (
    <span class="colour-key" aria-hidden="true">
      0<i style={{ backgroundImage: `linear-gradient(to right, ${stops})` }} />
      {format(top)}
    </span>
  );
}
