/** The formulas, as MathML written by hand: nothing to compute, and screen readers can read them. */
import type { ComponentChildren, JSX } from "preact";
import { bilinearWeight } from "./model.ts";
import type { NormaliserName, ScoreName } from "./view.ts";

function Formula({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="formula">
      <math display="block">{children}</math>
    </div>
  );
}

/** A bracket of the text's size. The attribute is a word to browsers; Preact would leave out a false one. */
const plain = { stretchy: "false" } as unknown as { stretchy: boolean };

const sub = (base: string, index: string): JSX.Element => (
  <msub>
    <mi>{base}</mi>
    <mi>{index}</mi>
  </msub>
);
const transposed = (base: string): JSX.Element => (
  <msup>
    <mi>{base}</mi>
    <mo>⊤</mo>
  </msup>
);
const call = (name: string, argument: ComponentChildren): JSX.Element => (
  <mrow>
    <mi>{name}</mi>
    <mo {...plain}>(</mo>
    {argument}
    <mo {...plain}>)</mo>
  </mrow>
);
const sumOver = (index: string): JSX.Element => (
  <munder>
    <mo>∑</mo>
    <mi>{index}</mi>
  </munder>
);
const positivePart = (index: string) =>
  call(
    "max",
    <>
      {<mn>0</mn>}
      <mo>,</mo>
      {sub("e", index)}
    </>,
  );

const scores: Record<ScoreName, JSX.Element> = {
  dot: (
    <>
      {transposed("q")}
      {sub("h", "j")}
    </>
  ),
  scaledDot: (
    <mfrac>
      <mrow>
        {transposed("q")}
        {sub("h", "j")}
      </mrow>
      <msqrt>
        <mi>D</mi>
      </msqrt>
    </mfrac>
  ),
  additive: (
    <>
      {transposed("v")}
      {call(
        "tanh",
        <>
          <mi>W</mi>
          <mi>q</mi>
          <mo>+</mo>
          <mi>U</mi>
          {sub("h", "j")}
        </>,
      )}
    </>
  ),
  bilinear: (
    <>
      {transposed("q")}
      <mi>W</mi>
      {sub("h", "j")}
      <mo>,</mo>
      <mspace width="1em" />
      <mi>W</mi>
      <mo>=</mo>
      <mrow>
        <mo>(</mo>
        <mtable>
          {bilinearWeight.map((row, i) => (
            <mtr key={i}>
              {row.map((each, j) => (
                <mtd key={j}>
                  <mn>{each}</mn>
                </mtd>
              ))}
            </mtr>
          ))}
        </mtable>
        <mo>)</mo>
      </mrow>
    </>
  ),
  gaussian: (
    <mrow>
      <mo>−</mo>
      <mfrac>
        <mn>1</mn>
        <mn>2</mn>
      </mfrac>
      <msup>
        <mrow>
          <mo {...plain}>‖</mo>
          <mi>q</mi>
          <mo>−</mo>
          {sub("h", "j")}
          <mo {...plain}>‖</mo>
        </mrow>
        <mn>2</mn>
      </msup>
    </mrow>
  ),
};

export function ScoreFormula({ score }: { readonly score: ScoreName }) {
  return (
    <Formula>
      {sub("e", "j")}
      <mo>=</mo>
      {scores[score]}
    </Formula>
  );
}

type Words = { readonly ifHighest: string; readonly otherwise: string };

const normalisers: Record<NormaliserName, (words: Words) => JSX.Element> = {
  softmax: () => (
    <mfrac>
      {call("exp", sub("e", "j"))}
      <mrow>
        {sumOver("i")}
        {call("exp", sub("e", "i"))}
      </mrow>
    </mfrac>
  ),
  reluSum: () => (
    <mfrac>
      {positivePart("j")}
      <mrow>
        {sumOver("i")}
        {positivePart("i")}
      </mrow>
    </mfrac>
  ),
  reluCount: () => (
    <mfrac>
      {positivePart("j")}
      <mi>n</mi>
    </mfrac>
  ),
  sigmoid: () => (
    <mfrac>
      <mn>1</mn>
      <mrow>
        <mn>1</mn>
        <mo>+</mo>
        {call(
          "exp",
          <mrow>
            <mo>−</mo>
            {sub("e", "j")}
          </mrow>,
        )}
      </mrow>
    </mfrac>
  ),
  hard: ({ ifHighest, otherwise }) => (
    <mrow>
      <mo>{"{"}</mo>
      <mtable class="cases">
        <mtr>
          <mtd>
            <mn>1</mn>
          </mtd>
          <mtd>
            <mtext>{ifHighest}&nbsp;</mtext>
            <mi>j</mi>
            <mo>=</mo>
            <mi>argmax</mi>
            <mspace width="0.2em" />
            <mi>e</mi>
          </mtd>
        </mtr>
        <mtr>
          <mtd>
            <mn>0</mn>
          </mtd>
          <mtd>
            <mtext>{otherwise}</mtext>
          </mtd>
        </mtr>
      </mtable>
    </mrow>
  ),
};

export function WeightFormula({ normaliser, words }: { readonly normaliser: NormaliserName; readonly words: Words }) {
  return (
    <Formula>
      {sub("α", "j")}
      <mo>=</mo>
      {normalisers[normaliser](words)}
    </Formula>
  );
}

export function SumFormula() {
  return (
    <Formula>
      <mi>c</mi>
      <mo>=</mo>
      {sumOver("j")}
      {sub("α", "j")}
      {sub("h", "j")}
    </Formula>
  );
}

/** The derivative by the query of the weight of key `index`, counted from 1. */
export function SlopeSymbol({ index }: { readonly index: number }) {
  return (
    <math>
      <mfrac>
        <mrow>
          <mo>∂</mo>
          <msub>
            <mi>α</mi>
            <mn>{index}</mn>
          </msub>
        </mrow>
        <mrow>
          <mo>∂</mo>
          <mi>q</mi>
        </mrow>
      </mfrac>
    </math>
  );
}
