import { useId } from "preact/hooks";
import type { ComponentChildren } from "preact";

interface StepProps {
  /** 1, 2, …; without one for what is no step. */
  readonly number?: number;
  readonly title: string;
  readonly question: string;
  readonly children: ComponentChildren;
}

/** A step of the computation: what it is called, and the question that it answers. */
export function Step({ number, title, question, children }: StepProps) {
  const id = useId();
  return (
    <section class="step" aria-labelledby={id}>
      <h2 id={id}>
        {number !== undefined && <span class="numeral">{number}</span>}
        <span class="step-title">{title}</span>
      </h2>
      <p class="question">{question}</p>
      {children}
    </section>
  );
}
