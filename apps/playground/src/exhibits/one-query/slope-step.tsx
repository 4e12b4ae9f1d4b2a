import { Choice } from "../../ui/choice.tsx";
import { FigurePair } from "../../ui/figure.tsx";
import { SlopeSymbol } from "./formulas.tsx";
import type { Reading } from "./model.ts";
import { Step } from "./step.tsx";
import { useText } from "./text/index.ts";
import { moveQuery, words, type View } from "./view.ts";

interface SlopeProps {
  readonly view: View;
  readonly reading: Reading;
  readonly onChange: (view: View) => void;
}

export function SlopeStep({ view, reading: { slope, uphill }, onChange }: SlopeProps) {
  const text = useText();
  const flat = slope !== undefined && Math.max(...slope.map(Math.abs)) < 1e-6;
  return (
    <Step number={4} title={text.slope} question={text.slopeQuestion}>
      <p>{text.aboutSlope}</p>
      <Choice
        legend={text.slopeChoice}
        value={view.target}
        options={[[-1, text.none] as const, ...words.map((word, i) => [i, word] as const)]}
        onChange={(target) => onChange({ ...view, target })}
      />
      {slope !== undefined && uphill !== undefined && (
        <>
          <p class="slope-value">
            <SlopeSymbol index={view.target + 1} />
            <span class="equals">=</span>
            <FigurePair name="slope" value={slope} digits={3} />
            <button type="button" data-action="uphill" disabled={flat} onClick={() => onChange(moveQuery(view, uphill))}>
              {text.slopeStep}
            </button>
          </p>
          <p class="aside">
            {flat ? text.slopeZero : text.slopeShown} {!flat && view.score === "dot" && view.normaliser === "softmax" && text.slopeDot}
          </p>
        </>
      )}
    </Step>
  );
}
