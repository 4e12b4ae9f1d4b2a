import "./one-query.css";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ExhibitProps } from "../../exhibit.ts";
import { format, formatPair } from "../../ui/format.ts";
import { Announcement } from "./announcement.tsx";
import { compute } from "./model.ts";
import { program } from "./program.ts";
import { ScoreStep } from "./score-step.tsx";
import { SlopeStep } from "./slope-step.tsx";
import { Step } from "./step.tsx";
import { SumStep } from "./sum-step.tsx";
import { useText } from "./text/index.ts";
import { Vectors } from "./vectors.tsx";
import { fromAddress, toAddress, words, type View } from "./view.ts";
import { WeightStep } from "./weight-step.tsx";

/** One query over the words of "Bonjour le monde": vectors → scores → weights → sum, and which way is up. */
export function Exhibit({ address, onState }: ExhibitProps) {
  const text = useText();
  const view = useSignal(fromAddress(address.state));
  const reading = useComputed(() => compute(view.value));
  useEffect(() => {
    view.value = fromAddress(address.state);
  }, [address]);
  useSignalEffect(() => onState(toAddress(view.value)));

  const shown = { view: view.value, reading: reading.value, onChange: (next: View) => (view.value = next) };
  const weights = words.map((word, i) => `${word} ${format(shown.reading.weights[i]!)}`).join(", ");
  return (
    <article class="one-query">
      <header class="opening">
        <p class="eyebrow">{text.eyebrow}</p>
        <h1>{text.title}</h1>
        <p class="lede">{text.lede.split("*").map((part, i) => (i % 2 === 0 ? part : <i key={part}>{part}</i>))}</p>
        <p class="invitation">{text.invitation}</p>
      </header>
      <div class="workbench">
        <Vectors {...shown} />
        <div class="steps">
          <ScoreStep {...shown} />
          <WeightStep {...shown} />
          <SumStep {...shown} />
          <SlopeStep {...shown} />
          <Step title={text.code} question={text.codeQuestion}>
            <pre class="program" tabIndex={0} role="region" aria-label={text.codeQuestion}>
              <code>{program(shown.view)}</code>
            </pre>
          </Step>
        </div>
      </div>
      <Announcement text={text.summary(weights, formatPair(shown.reading.context))} />
    </article>
  );
}
