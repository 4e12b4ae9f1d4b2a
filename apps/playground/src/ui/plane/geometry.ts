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
  place([x, y]: Point, width: number, gap = 15): Point {
    const [height, around] = [18, gap * 0.75];
    const centre = x - width / 2;
    const places: Box[] = [
      [x + gap, y - height / 2],
      [centre, y - gap - height],
      [x + around, y + around - 2],
      [x + around, y - around - height + 2],
      [x - gap - width, y - height / 2],
      [centre, y + gap],
      [x - around - width, y + around - 2],
      [x - around - width, y - around - height + 2],
    ].map(([left, top]) => ({ left: left!, top: top!, width, height }));
    const free = (box: Box) =>
      box.left >= 2 &&
      box.top >= 2 &&
      box.left + width <= this.#size - 2 &&
      box.top + height <= this.#size - 2 &&
      !this.#taken.some((other) => overlap(box, other));
    const box = places.find(free) ?? places[0]!;
    this.#taken.push(box);
    return [box.left, box.top + 13];
  }
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}
