export type Point = readonly [x: number, y: number];

/** The square of the plane that is in sight: both axes have the same length, so angles are true. */
export interface Frame {
  readonly left: number;
  readonly bottom: number;
  /** Of a side, in units of the plane. */
  readonly span: number;
}

/** From the plane to pixels of a drawing `size` pixels wide and high, and back. */
export interface Projection {
  readonly size: number;
  to(point: Point): Point;
  from(pixel: Point): Point;
}

export function projection({ left, bottom, span }: Frame, size: number): Projection {
  const unit = size / span;
  return {
    size,
    to: ([x, y]) => [(x - left) * unit, size - (y - bottom) * unit],
    from: ([x, y]) => [x / unit + left, (size - y) / unit + bottom],
  };
}

/** The smallest frame of whole steps that shows the origin and all points, with some air. */
export function frameAround(points: readonly Point[], step = 0.5): Frame {
  const ends = [0, 1].map((axis) => {
    const along = [0, ...points.map((point) => point[axis]!)];
    return [Math.floor(Math.min(...along) / step) * step, Math.ceil(Math.max(...along) / step) * step] as const;
  });
  const span = Math.max(step, ...ends.map(([low, high]) => high - low));
  const air = 0.14 * span;
  const [left, bottom] = ends.map(([low, high]) => low - (span - (high - low)) / 2 - air);
  return { left: left!, bottom: bottom!, span: span + 2 * air };
}

/** The multiples of `step` in sight along an axis that starts at `low`. */
export function ticks(low: number, span: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor((low + span) / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** A straight arrow in pixels, as SVG paths: the shaft, and the head. */
export function arrow(from: Point, to: Point, width: number): { readonly shaft: string; readonly head: string } {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy);
  if (length < 0.5) return { shaft: "", head: "" };
  const head = Math.min(length, 4 + 2.6 * width);
  const side = head * 0.42;
  const [ux, uy] = [dx / length, dy / length];
  const [x, y] = [to[0] - ux * head, to[1] - uy * head];
  // The shaft ends within the head, or a hair of background would show between them.
  const inside: Point = [x + ux * head * 0.2, y + uy * head * 0.2];
  return {
    shaft: `M${at(from)}L${at(inside)}`,
    head: `M${at(to)}L${at([x - uy * side, y + ux * side])}L${at([x + uy * side, y - ux * side])}Z`,
  };
}

export function at([x, y]: Point): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Where a label goes beside a point: the first of eight places that stays in the drawing and covers nothing; else the first. */
export class LabelPlaces {
  readonly #size: number;
  readonly #taken: Box[];

  constructor(size: number, points: readonly Point[]) {
    this.#size = size;
    this.#taken = points.map(([x, y]) => ({ left: x - 12, top: y - 12, width: 24, height: 24 }));
  }

  avoidLine([x, y]: Point, [toX, toY]: Point): void {
    const pieces = Math.ceil(Math.hypot(toX - x, toY - y) / 6);
    for (let i = 0; i < pieces; i++) {
      const [atX, atY] = [x + ((toX - x) * i) / pieces, y + ((toY - y) * i) / pieces];
      this.#taken.push({ left: atX - 3, top: atY - 3, width: 6, height: 6 });
    }
  }

  /** The label's left baseline corner, of a text `width` wide with lines of 18 pixels. */
  place(point: Point, width: number, gap = 15): Point {
    const height = 18;
    const inside = ({ left, top }: Box) => left >= 2 && top >= 2 && left + width <= this.#size - 2 && top + height <= this.#size - 2;
    const places = [gap, 1.7 * gap, 2.4 * gap].flatMap((each) => around(point, width, height, each));
    const box = places.find((each) => inside(each) && !this.#taken.some((other) => overlap(each, other))) ?? places[0]!;
    this.#taken.push(box);
    return [box.left, box.top + 13];
  }
}

/** The eight places beside a point, the best first. */
function around([x, y]: Point, width: number, height: number, gap: number): Box[] {
  const [right, left, centre] = [x + gap, x - gap - width, x - width / 2];
  const [below, above, middle] = [y + gap, y - gap - height, y - height / 2];
  const nearer = 0.25 * gap;
  const places: Point[] = [
    [right, middle],
    [centre, above],
    [right - nearer, below - nearer - 2],
    [right - nearer, above + nearer + 2],
    [left, middle],
    [centre, below],
    [left + nearer, below - nearer - 2],
    [left + nearer, above + nearer + 2],
  ];
  return places.map(([at, top]) => ({ left: at, top, width, height }));
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}
