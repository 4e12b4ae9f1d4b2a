import { unaryKernels, type UnaryKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import type { Operand } from "./binary.ts";
import { widened } from "./widened.ts";

/** Functions with a kernel for their derivative. */
export type SmoothName = {
  [Name in keyof UnaryKernels]: `${Name}Grad` extends keyof UnaryKernels ? Name : never;
}[keyof UnaryKernels];

type Kernel = (x: number, out: number, n: number, ...scalars: number[]) => void;
type GradientKernel = (x: number, g: number, out: number, n: number, ...scalars: number[]) => void;

/** `f(x)` element by element, by its kernel; not recorded. Half precision is widened; other dtypes throw. */
export function applyUnary(where: string, name: keyof UnaryKernels, x: Tensor, ...scalars: number[]): Tensor {
  requireTensor(where, "x", x);
  const dense = packed(widened(x));
  const kernel = unaryKernels.on(requireReal(where, dense.dtype))[name] as Kernel;
  return computeOne(where, [dense], x.shape, dense.dtype, ([read], write) => {
    if (x.size > 0) kernel(read, write, x.size, ...scalars);
  });
}

/**
 * `f(x)` whose gradient is a fused kernel too.
 *
 * @param second f″ of the same x, written with operations: what derivatives beyond the first fall back to; left out where it is 0
 */
export function smooth(where: string, name: SmoothName, x: Tensor, scalars: readonly number[], second?: (x: Tensor) => Operand): Tensor {
  return recordSmooth(where, name, applyUnary(where, name, x, ...scalars), widened(x), scalars, second);
}

/** Records `out = f(x)`, however it was computed. */
export function recordSmooth(
  where: string,
  name: SmoothName,
  out: Tensor,
  x: Tensor,
  scalars: readonly number[],
  second?: (x: Tensor) => Operand,
): Tensor {
  return record(where, out, [x], [x], (g) => [slope(where, name, x, g, scalars, second)]);
}

/** g · f′(x). */
function slope(
  where: string,
  name: SmoothName,
  x: Tensor,
  g: Tensor,
  scalars: readonly number[],
  second: ((x: Tensor) => Operand) | undefined,
): Tensor {
  const kernel = unaryKernels.on(requireReal(where, x.dtype))[`${name}Grad`] as GradientKernel;
  const out = computeOne(where, [packed(x), packed(g)], x.shape, x.dtype, ([readX, readG], write) => {
    if (x.size > 0) kernel(readX, readG, write, x.size, ...scalars);
  });
  return record(`${where} gradient`, out, [x, g], [x, g], (gg, needs) => [
    needs[0] && second !== undefined ? mul(mul(gg, g), second(x)) : undefined,
    needs[1] ? slope(where, name, x, gg, scalars, second) : undefined,
  ]);
}
