import type { JSX } from "preact";
import { rangeOf, ScoreBar } from "../../ui/bar.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Figure } from "../../ui/figure.tsx";
import { format, operand } from "../../ui/format.ts";
import { ScoreFormula } from "./formulas.tsx";
import type { Reading } from "./model.ts";
import { Step } from "./step.tsx";
import { useText } from "./text/index.ts";
import { scoreNames, words, type ScoreName, type Vector, type View } from "./view.ts";

interface StepProps {
  readonly view: View;
  readonly reading: Reading;
  readonly onChange: (view: View) => void;
}

export function ScoreStep({ view, reading, onChange }: StepProps) {
  const text = useText();
  const range = rangeOf(reading.scores);
  return (
    <Step number={1} title={text.score} question={text.scoreQuestion}>
      <Choice
        legend={text.scoreChoice}
        value={view.score}
        options={scoreNames.map((each) => [each, text.scores[each]])}
        onChange={(score) => onChange({ ...view, score })}
      />
      <div class="rule">
        <ScoreFormula score={view.score} />
        <p>{text.aboutScore[view.score]}</p>
      </div>
      <ul class="rows">
        {words.map((word, i) => (
          <li key={word} class={view.seen[i] ? "row" : "row masked"}>
            <span class="word" lang="fr">
              {word}
            </span>
            <span class="working">{working(view.score, view.query, view.keys[i]!)} =</span>
            <Figure name={`score-${i}`} value={reading.scores[i]!} />
            <ScoreBar value={reading.scores[i]!} range={range} />
          </li>
        ))}
      </ul>
      <p class="aside">{text.scoreAside}</p>
    </Step>
  );
}

/** How one would get the score with a pencil: the operands put into the formula. The result comes from the packages. */
function working(score: ScoreName, [qx, qy]: Vector, [hx, hy]: Vector): JSX.Element {
  const products = `${format(qx)} × ${operand(hx)} + ${operand(qy)} × ${operand(hy)}`;
  switch (score) {
    case "dot":
      return <>{products}</>;
    case "scaledDot":
      return <>({products}) ÷ √2</>;
    case "additive":
      return <>{`tanh(${format(qx)} + ${operand(hx)}) + tanh(${format(qy)} + ${operand(hy)})`}</>;
    case "bilinear":
      return <>{`${format(qx)} × ${operand(hy)} + ${operand(qy)} × ${operand(hx)}`}</>;
    case "gaussian":
      return <>{`−½ × ((${format(qx)} − ${operand(hx)})² + (${format(qy)} − ${operand(hy)})²)`}</>;
  }
}
