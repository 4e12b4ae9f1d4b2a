import type { Tensor } from "./tensor.ts";
import { rowMajor } from "./shape.ts";

/** Longer axes show their first and last three entries. */
const LONGEST = 8;
const SHOWN = 3;

/** The text of `Tensor.toString`. */
export function format(x: Tensor): string {
  const flat = x.toTypedArray();
  const strides = rowMajor(x.shape);
  const write = (value: number) =>
    x.dtype === "bool" ? String(value !== 0) : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  const show = (axis: number, at: number): string => {
    if (axis === x.rank) return write(flat[at]);
    const length = x.shape[axis];
    const indices: (number | undefined)[] =
      length <= LONGEST ? Array.from({ length }, (_, i) => i) : [0, 1, 2, undefined, length - SHOWN, length - 2, length - 1];
    const gap = axis === x.rank - 1 ? ", " : `,\n${" ".repeat(8 + axis)}`;
    return `[${indices.map((i) => (i === undefined ? "…" : show(axis + 1, at + i * strides[axis]))).join(gap)}]`;
  };
  return `Tensor(${show(0, 0)}, shape [${x.shape.join(", ")}], ${x.dtype})`;
}
