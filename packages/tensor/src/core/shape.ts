import { ShapeError } from "@heed/kernels/light";

export type Shape = readonly number[];

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** Row-major strides, in elements. */
export function rowMajor(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Whether the elements stand densely in row-major order. Axes of length 1 may have any stride. */
export function isRowMajor(shape: Shape, strides: readonly number[]): boolean {
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 0) return true;
    if (shape[axis] !== 1 && strides[axis] !== stride) return false;
    stride *= shape[axis];
  }
  return true;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** NumPy's broadcasting: axes align at the end, length 1 stretches. */
export function broadcastShapes(where: string, ...shapes: readonly Shape[]): number[] {
  let rank = 0;
  for (const shape of shapes) if (shape.length > rank) rank = shape.length;
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let axis = 0; axis < shape.length; axis++) {
      const at = rank - shape.length + axis;
      if (shape[axis] === 1 || shape[axis] === result[at]) continue;
      if (result[at] !== 1) {
        throw new ShapeError(
          where,
          "shapes must broadcast (axes align at the end; equal lengths, or 1)",
          Object.fromEntries(shapes.map((s, i) => [String.fromCharCode(97 + i), s])),
          "Reshape, or insert axes of length 1.",
        );
      }
      result[at] = shape[axis];
    }
  }
  return result;
}

/** Strides that read an array of `shape` and `strides` as if it had the broadcast shape `to`: 0 where it stretches. */
export function broadcastStrides(shape: Shape, strides: readonly number[], to: Shape): number[] {
  const lead = to.length - shape.length;
  const result = new Array<number>(to.length);
  for (let axis = 0; axis < to.length; axis++) result[axis] = axis < lead || shape[axis - lead] === 1 ? 0 : strides[axis - lead];
  return result;
}

/** An axis counted from the front; negative ones count from the end. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(normal) && normal >= 0 && normal < rank) return normal;
  throw new ShapeError(where, `axis must be an integer from ${-rank} to ${rank - 1}`, { axis, rank });
}

/** Distinct axes counted from the front, ascending; `undefined` means all. */
export function normalizeAxes(where: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const normal = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(where, axis, rank));
  normal.sort((a, b) => a - b);
  if (normal.some((axis, i) => axis === normal[i - 1])) {
    throw new ShapeError(where, "axes must be distinct", { axes: [...(axes as number[])] });
  }
  return normal;
}

/** Lengths and axes come as one list: other libraries take them one by one, and who comes from there writes them so. */
export function requireList(where: string, list: readonly number[]): void {
  if (typeof list !== "object" || list === null) {
    throw new ShapeError(where, "takes one list of numbers", { received: list }, "Write [2, 3], not 2, 3.");
  }
}

/** Checks lengths: non-negative integers whose product stays addressable. */
export function requireShape(where: string, shape: Shape): void {
  requireList(where, shape);
  if (!shape.every((length) => Number.isInteger(length) && length >= 0)) {
    throw new ShapeError(where, "lengths must be non-negative integers", { shape });
  }
  if (!Number.isSafeInteger(sizeOf(shape))) throw new ShapeError(where, "too many elements", { shape });
}
