import { Arrow } from "../../ui/plane/arrow.tsx";
import { cividis, topOf } from "../../ui/colour.ts";
import { FigurePair } from "../../ui/figure.tsx";
import { format, formatPair } from "../../ui/format.ts";
import { at, frameAround, LabelPlaces, type Projection } from "../../ui/plane/geometry.ts";
import { Plane } from "../../ui/plane/plane.tsx";
import { SumFormula } from "./formulas.tsx";
import type { Reading } from "./model.ts";
import { Step } from "./step.tsx";
import { useText } from "./text/index.ts";
import { words, type View } from "./view.ts";

interface SumProps {
  readonly view: View;
  readonly reading: Reading;
}

export function SumStep({ view, reading }: SumProps) {
  const text = useText();
  const { weights, scaled, tips, context, totalWeight } = reading;
  const seen = view.keys.filter((_, i) => view.seen[i]);
  const frame = frameAround([...tips, ...seen]);
  const parts = words.map((word, i) => `${word} ${formatPair(scaled[i]!)}`).join(", ");
  const remark =
    Math.abs(totalWeight) < 1e-6 ? text.nothing : Math.abs(totalWeight - 1) < 1e-4 ? text.inside : text.outside(format(totalWeight));
  return (
    <Step number={3} title={text.sum} question={text.sumQuestion}>
      <div class="rule">
        <SumFormula />
        <p>{text.aboutSum}</p>
      </div>
      <div class="sum">
        <div>
          <ul class="rows terms">
            {words.map((word, i) => (
              <li key={word} class={view.seen[i] ? "row" : "row masked"}>
                <span class="word" lang="fr">
                  {word}
                </span>
                <span class="working">
                  {format(weights[i]!)} × {formatPair(view.keys[i]!)} =
                </span>
                <FigurePair name={`scaled-${i}`} value={scaled[i]!} />
              </li>
            ))}
            <li class="row total context">
              <span class="word">{text.context}</span>
              <span class="working" />
              <FigurePair name="context" value={context} digits={3} />
            </li>
          </ul>
          <p class="aside">{remark}</p>
          <p class="aside">{text.byHand(formatPair(reading.contextByHand, 3))}</p>
        </div>
        <Plane
          label={text.sumLabel(parts, formatPair(context))}
          frame={frame}
          tickStep={frame.span > 3 ? 1 : 0.5}
          drawing={(projection) => <Chain view={view} reading={reading} projection={projection} label={text.context} />}
        />
      </div>
    </Step>
  );
}

interface ChainProps extends SumProps {
  readonly projection: Projection;
  readonly label: string;
}

/** The keys' hull, the scaled vectors tip to tail in the colour of their weight, and the context beside them. */
function Chain({ view, reading, projection: { to, size }, label }: ChainProps) {
  const origin = to([0, 0]);
  const hull = view.keys.filter((_, i) => view.seen[i]).map(to);
  const tips = reading.tips.map(to);
  const end = to(reading.context);
  const corners = [origin, ...tips];
  const places = new LabelPlaces(size, hull);
  corners.forEach((corner, i) => i > 0 && places.avoidLine(corners[i - 1]!, corner));
  places.avoidLine(origin, end);
  for (const tick of [0.5, 1, 1.5]) places.avoidLine([to([tick, 0])[0] - 8, origin[1] + 10], [to([tick, 0])[0] + 8, origin[1] + 10]);
  const [x, y] = places.place(end, 8 * label.length, 12);
  const drawn = words.map((word, i) => ({ word, from: i === 0 ? origin : tips[i - 1]!, tip: tips[i]! }));
  const long = drawn.filter(({ from, tip }) => Math.hypot(tip[0] - from[0], tip[1] - from[1]) > 22);
  return (
    <>
      {hull.length > 0 && <path class="hull" d={`M${hull.map(at).join("L")}Z`} />}
      {hull.map(([cx, cy], i) => (
        <circle key={i} class="hull-corner" cx={cx} cy={cy} r={2.5} />
      ))}
      <Arrow from={origin} to={end} width={3.2} kind="context" />
      {drawn.map(({ word, from, tip }, i) => (
        <Arrow key={word} from={from} to={tip} width={4} kind="part" colour={cividis(reading.weights[i]! / topOf(reading.weights))} />
      ))}
      {long.map(({ word, from, tip }) => {
        const [left, top] = places.place([(from[0] + tip[0]) / 2, (from[1] + tip[1]) / 2], 7.4 * word.length, 9);
        return (
          <text key={word} class="label part" x={left} y={top}>
            {word}
          </text>
        );
      })}
      <text class="label context" x={x} y={y}>
        {label}
      </text>
    </>
  );
}
