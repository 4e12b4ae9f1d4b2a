import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { format } from "../format.ts";
import { at, projection, ticks, type Frame, type Projection } from "./geometry.ts";

interface PlaneProps {
  /** What the picture shows, in a sentence or two. */
  readonly label: string;
  readonly frame: Frame;
  readonly tickStep: number;
  readonly drawing: (projection: Projection) => ComponentChildren;
  /** What lies above the drawing and can be moved. */
  readonly handles?: (projection: Projection) => ComponentChildren;
}

/** A square of the plane with its grid, as wide as its place allows. Drawn in pixels, so that text keeps its size. */
export function Plane({ label, frame, tickStep, drawing, handles }: PlaneProps) {
  const place = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState(360);
  useLayoutEffect(() => {
    const measure = () => setSize(Math.max(120, Math.floor(place.current!.clientWidth)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  const view = projection(frame, size);
  return (
    <div class="plane" ref={place}>
      <svg width={size} height={size} viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label}>
        <Grid frame={frame} step={tickStep} view={view} />
        {drawing(view)}
      </svg>
      {handles?.(view)}
    </div>
  );
}

function Grid({ frame, step, view }: { readonly frame: Frame; readonly step: number; readonly view: Projection }) {
  const { size } = view;
  const digits = Number.isInteger(step) ? 0 : 1;
  const [originX, originY] = view.to([0, 0]);
  const lines = (low: number) => ticks(low, frame.span, step).filter((each) => each !== 0);
  const inside = (pixel: number) => pixel > 12 && pixel < size - 12;
  return (
    <>
      {lines(frame.left).map((x) => {
        const [pixel] = view.to([x, 0]);
        return (
          <g key={`x${x}`}>
            <path class="grid" d={`M${pixel.toFixed(1)} 0V${size}`} />
            {inside(pixel) && (
              <text class="tick" x={pixel} y={Math.min(size - 4, originY + 14)} text-anchor="middle">
                {format(x, digits)}
              </text>
            )}
          </g>
        );
      })}
      {lines(frame.bottom).map((y) => {
        const [, pixel] = view.to([0, y]);
        return (
          <g key={`y${y}`}>
            <path class="grid" d={`M0 ${pixel.toFixed(1)}H${size}`} />
            {inside(pixel) && (
              <text class="tick" x={Math.max(18, originX - 5)} y={pixel + 4} text-anchor="end">
                {format(y, digits)}
              </text>
            )}
          </g>
        );
      })}
      <path class="axis" d={`M${at([originX, 0])}V${size}M${at([0, originY])}H${size}`} />
    </>
  );
}
