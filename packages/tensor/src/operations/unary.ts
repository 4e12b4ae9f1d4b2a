import { runItems, unaryKernels, type UnaryKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import type { Operand } from "./binary.ts";
import { aroundBand, bandOf, inBand } from "./internal/band.ts";
import { widened } from "./widened.ts";

/** Functions with a kernel for their derivative. */
export type SmoothName = {
  [Name in keyof UnaryKernels]: `${Name}Grad` extends keyof UnaryKernels ? Name : never;
}[keyof UnaryKernels];

/** What a kernel does with an element, for `runItems`: most are arithmetic, and bound by memory. */
const arithmetic = 8;
const transcendental = 40;
const simple = /^(neg|abs|sqrt|reciprocal|square|relu|leakyRelu|clamp|scale)(Grad)?$/;
const workOf = (name: string): number => (simple.test(name) ? arithmetic : transcendental);

/** `f(x)` element by element, by its kernel; not recorded. Half precision is widened; other dtypes throw. */
export function applyUnary(where: string, name: keyof UnaryKernels, x: Tensor, ...scalars: number[]): Tensor {
  requireTensor(where, "x", x);
  const dense = packed(widened(x));
  const dtype = requireReal(where, dense.dtype);
  const width = bytesPer(dtype);
  return computeOne(where, [dense], x.shape, dtype, ([read], write) => {
    const args = (first: number, count: number) => [read + first * width, write + first * width, count, ...scalars];
    runItems(unaryKernels, dtype, name, x.size, args, { work: workOf(name) });
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
  const dtype = requireReal(where, x.dtype);
  const width = bytesPer(dtype);
  const band = bandOf([g], x.rank);
  const [from, cotangent] = [x, g].map((each) => packed(inBand(each, band)));
  const part = computeOne(where, [from, cotangent], from.shape, dtype, ([readX, readG], write) => {
    const args = (first: number, count: number) => [...[readX, readG, write].map((at) => at + first * width), count, ...scalars];
    runItems(unaryKernels, dtype, `${name}Grad`, from.size, args, { work: workOf(`${name}Grad`) });
  });
  const out = aroundBand(part, x.shape, band);
  return record(`${where} gradient`, out, [x, g], [x, g], (gg, needs) => [
    needs[0] && second !== undefined ? mul(mul(gg, g), second(x)) : undefined,
    needs[1] ? slope(where, name, x, gg, scalars, second) : undefined,
  ]);
}
