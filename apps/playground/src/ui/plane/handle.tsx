import type { Point, Projection } from "./geometry.ts";

interface HandleProps {
  /** What it moves. */
  readonly label: string;
  readonly role: string;
  readonly name: string;
  readonly value: Point;
  /** In words, for those who do not see it. */
  readonly text: string;
  readonly min: number;
  readonly max: number;
  /** Drags and arrow keys go in these steps; with Shift, arrow keys in five. */
  readonly step: number;
  readonly view: Projection;
  readonly onMove: (value: Point) => void;
}

/** The tip of a vector, to be dragged by a pointer or moved by the arrow keys. */
export function Handle({ label, role, name, value, text, min, max, step, view, onMove }: HandleProps) {
  const [left, top] = view.to(value);
  const snap = (each: number) => Math.round(each / step) * step;

  const drag = (event: PointerEvent) => {
    const handle = event.currentTarget as HTMLElement;
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = handle.parentElement!.getBoundingClientRect();
    const [x, y] = view.from([event.clientX - box.left, event.clientY - box.top]);
    onMove([snap(x), snap(y)]);
  };
  const start = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    document.documentElement.dataset.dragging = "";
  };
  const end = () => delete document.documentElement.dataset.dragging;
  const press = (event: KeyboardEvent) => {
    const direction = directions[event.key];
    if (direction === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const far = step * (event.shiftKey ? 5 : 1);
    onMove([value[0] + direction[0] * far, value[1] + direction[1] * far]);
  };
  return (
    <div
      class="handle"
      role="slider"
      tabIndex={0}
      data-handle={name}
      aria-label={label}
      aria-roledescription={role}
      aria-valuemin={min}
      aria-valuemax={max}
      aria-valuenow={value[0]}
      aria-valuetext={text}
      style={{ left: `${left}px`, top: `${top}px` }}
      onPointerDown={start}
      onPointerMove={drag}
      onLostPointerCapture={end}
      onKeyDown={press}
    />
  );
}

const directions: Readonly<Record<string, Point>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
