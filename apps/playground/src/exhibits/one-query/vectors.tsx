import { Arrow } from "../../ui/plane/arrow.tsx";
import { cividis, topOf } from "../../ui/colour.ts";
import { format, formatPair } from "../../ui/format.ts";
import { Handle } from "../../ui/plane/handle.tsx";
import { LabelPlaces, type Frame, type Point, type Projection } from "../../ui/plane/geometry.ts";
import { NumberField } from "../../ui/number-field.tsx";
import { Plane } from "../../ui/plane/plane.tsx";
import type { Reading } from "./model.ts";
import { useText } from "./text/index.ts";
import { highest, lowest, moveKey, moveQuery, notesExample, setSeen, toAddress, words, type Vector, type View } from "./view.ts";

interface VectorsProps {
  readonly view: View;
  readonly reading: Reading;
  readonly onChange: (view: View) => void;
}

const step = 0.05;
const air = 0.16;
const frame: Frame = { left: lowest - air, bottom: lowest - air, span: highest - lowest + 2 * air };

/** What the visitor moves: the plane, and the same numbers as fields. */
export function Vectors({ view, reading, onChange }: VectorsProps) {
  const text = useText();
  const named = view.keys.map((key, i) => `${words[i]} ${formatPair(key)}`).join(", ");
  const moves: { name: string; label: string; value: Vector; move: (to: Vector) => void }[] = [
    { name: "query", label: text.query, value: view.query, move: (to) => onChange(moveQuery(view, to)) },
    ...view.keys.map((value, i) => ({
      name: `key-${i}`,
      label: text.key(words[i]!),
      value,
      move: (to: Vector) => onChange(moveKey(view, i, to)),
    })),
  ];
  return (
    <section class="vectors" aria-label={text.vectors}>
      <Plane
        label={text.planeLabel(formatPair(view.query), named)}
        frame={frame}
        tickStep={1}
        drawing={(projection) => <Drawing view={view} reading={reading} projection={projection} queryLabel={text.query} />}
        handles={(projection) =>
          // The query comes last in the drawing, to lie on top, but first for the keyboard.
          moves.map(({ name, label, value, move }) => (
            <Handle
              key={name}
              name={name}
              label={label}
              role={text.movable}
              value={value}
              text={formatPair(value)}
              min={lowest}
              max={highest}
              step={step}
              view={projection}
              onMove={move}
            />
          ))
        }
      />
      <table class="fields">
        <thead>
          <tr>
            <th scope="col">
              <span class="visually-hidden">{text.word}</span>
            </th>
            <th scope="col">
              <i>x</i>
            </th>
            <th scope="col">
              <i>y</i>
            </th>
            <th scope="col">{text.seen}</th>
          </tr>
        </thead>
        <tbody>
          {moves.map(({ name, label, value, move }, row) => (
            <tr key={name}>
              <th scope="row">
                {row === 0 ? text.query : words[row - 1]}{" "}
                <i class="symbol">
                  {row === 0 ? "q" : "h"}
                  {row > 0 && <sub>{row}</sub>}
                </i>
              </th>
              {(["x", "y"] as const).map((axis, i) => (
                <td key={axis}>
                  <NumberField
                    label={text.field(label, axis)}
                    name={`${name}-${axis}`}
                    value={value[i]!}
                    min={lowest}
                    max={highest}
                    step={step}
                    onChange={(number) => move(i === 0 ? [number, value[1]] : [value[0], number])}
                  />
                </td>
              ))}
              <td>
                {row > 0 && (
                  <input
                    type="checkbox"
                    data-field={`seen-${row - 1}`}
                    aria-label={text.seenLabel(words[row - 1]!)}
                    checked={view.seen[row - 1]!}
                    onChange={(event) => onChange(setSeen(view, row - 1, event.currentTarget.checked))}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <button type="button" class="reset" disabled={toAddress(view) === ""} onClick={() => onChange(notesExample)}>
        {text.reset}
      </button>
    </section>
  );
}

interface DrawingProps {
  readonly view: View;
  readonly reading: Reading;
  readonly projection: Projection;
  readonly queryLabel: string;
}

function Drawing({ view, reading, projection, queryLabel }: DrawingProps) {
  const { to, size } = projection;
  const origin = to([0, 0]);
  const tips = view.keys.map(to);
  const query = to(view.query);
  const places = new LabelPlaces(size, [...tips, query]);
  for (const tip of [...tips, query]) places.avoidLine(origin, tip);
  const slope = reading.slope === undefined ? undefined : slopeEnd(view.query, reading.slope);
  if (slope !== undefined) places.avoidLine(query, to(slope));
  const labels = [
    { text: queryLabel, kind: "query", place: places.place(query, widthOf(queryLabel, 8.4)) },
    ...words.map((word, i) => ({
      text: word,
      kind: view.seen[i] ? "key" : "key masked",
      place: places.place(tips[i]!, widthOf(word, 7.8)),
    })),
  ];
  return (
    <>
      {tips.map((tip, i) => (
        <Arrow key={i} from={origin} to={shortened(origin, tip, 8)} width={2} kind={view.seen[i] ? "key" : "key masked"} />
      ))}
      <circle class="grip" cx={query[0]} cy={query[1]} r={15} />
      <Arrow from={origin} to={query} width={3.2} kind="query" />
      {slope !== undefined && <Arrow from={query} to={to(slope)} width={2} kind="slope" />}
      {tips.map(([x, y], i) => (
        <circle
          key={i}
          class={view.seen[i] ? "disc" : "disc masked"}
          cx={x}
          cy={y}
          r={8}
          fill={view.seen[i] ? cividis(reading.weights[i]! / topOf(reading.weights)) : undefined}
          data-figure={`disc-${i}`}
          data-value={format(reading.weights[i]!)}
        />
      ))}
      {labels.map(({ text, kind, place: [x, y] }) => (
        <text key={text} class={`label ${kind}`} x={x} y={y}>
          {text}
        </text>
      ))}
    </>
  );
}

/** The end of an arrow that stops short of a disc around its tip. */
function shortened([x, y]: Point, [toX, toY]: Point, by: number): Point {
  const length = Math.hypot(toX - x, toY - y);
  const part = length < by ? 0 : 1 - by / length;
  return [x + (toX - x) * part, y + (toY - y) * part];
}

/** About as wide as the text is drawn, in pixels: Chinese characters are square. */
function widthOf(text: string, perLetter: number): number {
  return Array.from(text).reduce((width, letter) => width + (letter > "\u2e80" ? 15 : perLetter), 0);
}

/** The direction of the gradient at the query, always drawn at the same length: its size is told in numbers. */
function slopeEnd([qx, qy]: Vector, [x, y]: Vector): Point | undefined {
  const size = Math.hypot(x, y);
  return size < 1e-6 ? undefined : [qx + (0.55 * x) / size, qy + (0.55 * y) / size];
}
