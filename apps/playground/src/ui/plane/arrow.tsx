import { arrow, type Point } from "./geometry.ts";

interface ArrowProps {
  /** In pixels. */
  readonly from: Point;
  readonly to: Point;
  readonly width: number;
  /** Says what it stands for; the style sheet gives the colour. */
  readonly kind: string;
  /** A colour from a colour map instead; it gets an outline, since any colour may be near the background's. */
  readonly colour?: string;
}

export function Arrow({ from, to, width, kind, colour }: ArrowProps) {
  const { shaft, head } = arrow(from, to, width);
  return (
    <g class={`arrow ${kind}`}>
      {colour !== undefined && (
        <g class="outline">
          <path d={shaft} stroke-width={width + 2.4} />
          <path d={head} stroke-width={2.4} />
        </g>
      )}
      <path class="shaft" d={shaft} stroke-width={width} stroke={colour} />
      <path class="head" d={head} fill={colour} />
    </g>
  );
}
