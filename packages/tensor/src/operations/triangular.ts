import { linearMemory, ShapeError } from "@heed/kernels";
import { computeOne } from "../core/compute.ts";
import { viewOf } from "../core/dtype.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";

/**
 * The lower triangle of the last two axes: elements with column ≤ row + `diagonal`; zero elsewhere.
 * @param x `[…, rows, columns]`
 * @param diagonal default 0; positive: more to the right stays
 * @throws {ShapeError} for fewer than two axes.
 *
 * Time O(size of x).
 * @see PyTorch's `torch.tril`
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle("tril", x, diagonal);
}

/**
 * The upper triangle of the last two axes: elements with column ≥ row + `diagonal`; zero elsewhere. Shapes and errors as of `tril`. Time O(size of
 * x).
 * @see PyTorch's `torch.triu`
 */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle("triu", x, diagonal);
}

function triangle(name: "tril" | "triu", x: Tensor, diagonal: number): Tensor {
  requireTensor(name, "x", x);
  if (x.rank < 2 || !Number.isInteger(diagonal))
    throw new ShapeError(name, "x must have at least two axes, and diagonal be an integer", { shape: x.shape, diagonal });
  const [rows, columns] = x.shape.slice(-2);
  const out = computeOne(name, [x], x.shape, x.dtype, ([read], write) => {
    copy(x.dtype, x.shape, read, x.strides, write);
    const values = viewOf(x.dtype, linearMemory().buffer, write, x.size);
    for (let at = 0, i = 0; at < values.length; at += columns, i = (i + 1) % rows) {
      if (name === "tril") values.fill(0, at + Math.min(columns, Math.max(0, i + diagonal + 1)), at + columns);
      else values.fill(0, at, at + Math.min(columns, Math.max(0, i + diagonal)));
    }
  });
  return record(name, out, [x], [], (g) => [triangle(name, g, diagonal)]);
}
