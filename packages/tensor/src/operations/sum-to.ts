import { sameShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { sum } from "./sum.ts";
import { reshape } from "./views.ts";

/** Sums the axes along which `shape` was broadcast: the adjoint of broadcasting. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const lead = g.rank - shape.length;
  const axes = g.shape.map((_, axis) => axis).filter((axis) => axis < lead || (shape[axis - lead] === 1 && g.shape[axis] !== 1));
  return reshape(axes.length === 0 ? g : sum(g, axes), shape);
}
