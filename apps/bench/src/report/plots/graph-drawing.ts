import { interpolateCividis } from "d3-scale-chromatic";
import { percent } from "../../format.ts";
import { type Markup, html, px } from "../html.ts";
import type { GraphSample } from "../outcome.ts";

/** Length of an edge, radius of a node, room around. */
const [unit, radius, room] = [40, 11, 18] as const;

/** Nodes at their places, the more yellow the more weight; edges the thicker the more weight, as so many lines. */
export function graphDrawing(title: string, nodes: GraphSample["nodes"], edges: GraphSample["edges"]): Markup {
  const [xs, ys] = [nodes.map(({ x }) => x * unit), nodes.map(({ y }) => y * unit)];
  const [left, top] = [Math.min(0, ...xs) - room, Math.min(0, ...ys) - room];
  const [width, height] = [Math.max(...xs) - left + room, Math.max(...ys) - top + room];
  const strongest = nodes.reduce((best, { weight }, i) => (weight > nodes[best]!.weight ? i : best), 0);
  return html`<svg
    viewBox="${px(left)} ${px(top)} ${px(width)} ${px(height)}"
    role="img"
    aria-label="${title}: ${nodes.length} nodes; most weight on node ${strongest + 1}, ${nodes[strongest]!.label}."
    style="max-width:${px(Math.min(560, 1.6 * width))}px"
  >
    ${edges.map(({ from, to, weight, lines = 1 }) => {
      const [dx, dy] = [xs[to]! - xs[from]!, ys[to]! - ys[from]!];
      const length = Math.max(1e-9, Math.hypot(dx, dy));
      return Array.from({ length: lines }, (_, k) => {
        const shift = ((k - (lines - 1) / 2) * 5) / length;
        const [x, y] = [-dy * shift, dx * shift];
        return html`<line
          x1="${px(xs[from]! + x)}"
          y1="${px(ys[from]! + y)}"
          x2="${px(xs[to]! + x)}"
          y2="${px(ys[to]! + y)}"
          stroke="currentColor"
          stroke-opacity="${px(0.35 + 0.6 * weight)}"
          stroke-width="${px(0.8 + 3 * weight)}"
        />`;
      });
    })}
    ${nodes.map(({ label, weight }, i) => {
      const strength = Math.sqrt(Math.max(0, Math.min(1, weight)));
      return html`<circle
          cx="${px(xs[i]!)}"
          cy="${px(ys[i]!)}"
          r="${radius}"
          fill="${interpolateCividis(strength)}"
          stroke="currentColor"
          stroke-width="0.6"
          ><title>${label}: ${percent(weight, 0)} of the largest weight</title></circle
        ><text
          x="${px(xs[i]!)}"
          y="${px(ys[i]! + 4)}"
          text-anchor="middle"
          font-size="11"
          fill="${strength > 0.55 ? "#111" : "#fff"}"
          pointer-events="none"
          >${label}</text
        >`;
    })}
  </svg>`;
}
