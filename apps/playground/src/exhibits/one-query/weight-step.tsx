import { cividis, topOf } from "../../ui/colour.ts";
import { Choice } from "../../ui/choice.tsx";
import { Figure } from "../../ui/figure.tsx";
import { format } from "../../ui/format.ts";
import { ColourKey, WeightBar } from "../../ui/bar.tsx";
import { WeightFormula } from "./formulas.tsx";
import type { Reading } from "./model.ts";
import { Step } from "./step.tsx";
import { useText } from "./text/index.ts";
import { normaliserNames, words, type View } from "./view.ts";

interface StepProps {
  readonly view: View;
  readonly reading: Reading;
  readonly onChange: (view: View) => void;
}

export function WeightStep({ view, reading, onChange }: StepProps) {
  const text = useText();
  const top = topOf(reading.weights);
  return (
    <Step number={2} title={text.weight} question={text.weightQuestion}>
      <Choice
        legend={text.weightChoice}
        value={view.normaliser}
        options={normaliserNames.map((each) => [each, text.normalisers[each]])}
        onChange={(normaliser) => onChange({ ...view, normaliser })}
      />
      <div class="rule">
        <WeightFormula normaliser={view.normaliser} words={text} />
        <p>{text.aboutNormaliser[view.normaliser]}</p>
      </div>
      <ul class="rows">
        {words.map((word, i) => (
          <li key={word} class={view.seen[i] ? "row" : "row masked"}>
            <span class="word" lang="fr">
              {word}
            </span>
            <span class="working">{view.seen[i] ? working(view, reading, i, text) : text.masked}</span>
            <Figure name={`weight-${i}`} value={reading.weights[i]!} />
            <WeightBar value={reading.weights[i]!} colour={cividis(reading.weights[i]! / top)} />
          </li>
        ))}
        <li class="row total">
          <span class="word">{text.together}</span>
          <span class="working" />
          <Figure name="weight-total" value={reading.totalWeight} />
          <ColourKey top={top} />
        </li>
      </ul>
    </Step>
  );
}

/** How one would get the weight with a pencil; intermediate numbers too come from the packages. The last sign stays with its number where a line breaks. */
function working(
  { normaliser }: View,
  { scores, numerators, divisor, weights }: Reading,
  i: number,
  text: ReturnType<typeof useText>,
): string {
  const score = format(scores[i]!);
  switch (normaliser) {
    case "softmax":
      return `exp(${score}) = ${format(numerators[i]!)},  ${format(numerators[i]!)}\u00a0÷\u00a0${format(divisor)}\u00a0=`;
    case "reluSum":
      return `max(0, ${score}) ÷ ${format(divisor)}\u00a0=`;
    case "reluCount":
      return `max(0, ${score}) ÷ ${format(divisor, 0)}\u00a0=`;
    case "sigmoid":
      return `1 ÷ (1 + exp(${scores[i]! < 0 ? format(-scores[i]!) : `−${score}`}))\u00a0=`;
    case "hard":
      return `${score}: ${weights[i]! > 0 ? text.highest : text.notHighest}`;
  }
}
