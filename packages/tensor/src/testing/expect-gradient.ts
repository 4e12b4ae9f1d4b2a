import { tensor } from "../core/construct.ts";
import { isReal } from "../core/dtype.ts";
import { scope } from "../core/scope.ts";
import { sizeOf, type Shape } from "../core/shape.ts";
import { grad, noGrad, type TensorTree } from "../core/tape.ts";
import { Tensor } from "../core/tensor.ts";
import { mul } from "../operations/arithmetic.ts";
import { sum } from "../operations/sum.ts";
import { expectClose, type Tolerance } from "./expect-close.ts";
import { randomTensor } from "./random-tensor.ts";

export interface GradientOptions {
  /** Half the distance of the two points of a difference. Default 2⁻¹⁷: its square and the rounding ε / step then both stay near 10⁻¹⁰. */
  readonly step?: number;
  /** Of each gradient against its central differences, times the largest magnitude of that gradient where it is above 1. Default 1e-7. */
  readonly tolerance?: number;
  /** Also holds the gradient of the gradient, by `grad` inside `grad`, against central differences of the first one. Default false. */
  readonly second?: boolean;
}

/**
 * Throws unless the gradients of `f` are those of its central differences, in float64:
 *
 * - by every float input, of the sum of all results times fixed random cotangents;
 * - by `backward` and by `grad`, outside scopes and with `f` in a nested scope that ends before `backward`. There, what a
 *   rule reads but did not list as saved is gone, and the check says so.
 *
 * Stay away from kinks: there a difference is no gradient.
 *
 * @param f results: a tensor, or tensors in arrays and plain objects. The same inputs must give the same results.
 * @param inputs tensors, or shapes to fill with random numbers in [−1, 1). Floats are converted to float64; integers and
 * booleans are handed on as they are.
 *
 * Time: two runs of `f` for every input element (with `second`, of its gradient too): use few elements, of distinct lengths.
 * @example expectGradient((x, w) => matmul(x, w), [[2, 3], [3, 5]]);
 */
export function expectGradient(
  f: (...inputs: Tensor[]) => TensorTree,
  inputs: readonly (Tensor | Shape)[],
  options: GradientOptions = {},
): void {
  const { step = 2 ** -17, tolerance = 1e-7, second = false } = options;
  const points = inputs.map((input, i) => toFloat64(input instanceof Tensor ? input : randomTensor(input, i + 1)));
  const by = points.flatMap((point, i) => (isReal(point.dtype) ? [i] : []));
  const cotangents = noGrad(() => leaves(f(...points))).map((y, i) =>
    isReal(y.dtype) ? toFloat64(randomTensor(y.shape, 1000 + i, { low: 0.5, high: 1.5 })) : undefined,
  );
  const total = (results: readonly Tensor[]) => weighted(results, cotangents);
  const value = (...at: Tensor[]) => total(leaves(f(...at)));

  const expected = differences(value, points, by, step);
  const close = (found: readonly (Tensor | null)[], how: string) =>
    by.forEach((input, i) => {
      within(
        () => expectClose(found[i] ?? zerosLike(points[input]), expected[i], scaled(expected[i], tolerance)),
        `gradient by input ${input}, ${how}`,
      );
    });

  // By `backward`, on leaves of its own each time.
  const backward = (run: (at: readonly Tensor[]) => void): (Tensor | null)[] => {
    const at = points.map((point) => (isReal(point.dtype) ? leafOf(point) : point));
    run(at);
    return by.map((input) => at[input].grad);
  };
  const plain = backward((at) => value(...at).backward());
  close(plain, "by backward");

  const nested = within(
    () =>
      backward((at) =>
        scope(() => {
          const results = scope(() => scope(() => f(...at)));
          const tensors = leaves(results);
          if (tensors.length === 1) tensors[0].backward(cotangents[0]);
          else total(tensors).backward();
        }),
      ),
    "when f runs in a scope that ends before backward",
  );
  const [one] = cotangents;
  const outside = cotangents.length === 1 ? backward((at) => leaves(f(...at))[0].backward(one)) : plain;
  by.forEach((input, i) => {
    const zeros = zerosLike(points[input]);
    within(
      () => expectClose(nested[i] ?? zeros, outside[i] ?? zeros, 0),
      `gradient by input ${input}: in nested scopes it differs from that outside`,
    );
  });

  const first = (...at: Tensor[]) => grad((xs: Tensor[]) => value(...put(at, by, xs)))(by.map((input) => at[input]));
  close(first(...points), "by grad");
  if (second) expectSecond(first, points, by, step, tolerance);
}

function expectSecond(
  first: (...at: Tensor[]) => Tensor[],
  points: readonly Tensor[],
  by: readonly number[],
  step: number,
  tolerance: number,
): void {
  const directions = by.map((input, i) => toFloat64(randomTensor(points[input].shape, 2000 + i, { low: 0.5, high: 1.5 })));
  const slope = (...at: Tensor[]) => weighted(first(...at), directions);
  const expected = differences(slope, points, by, step);
  const found = grad((xs: Tensor[]) => slope(...put(points, by, xs)))(by.map((input) => points[input]));
  by.forEach((input, i) => {
    within(() => expectClose(found[i], expected[i], scaled(expected[i], tolerance)), `second gradient by input ${input}`);
  });
}

/** Central differences of a scalar function by every element of the inputs named. */
function differences(value: (...at: Tensor[]) => Tensor, points: readonly Tensor[], by: readonly number[], step: number): Tensor[] {
  return by.map((input) => {
    const base = points[input].toTypedArray();
    const slopes = new Float64Array(base.length);
    const at = (element: number, move: number): number => {
      const moved = Float64Array.from(base);
      moved[element] += move;
      return noGrad(() => value(...put(points, [input], [tensor(moved, { shape: points[input].shape })]))).item();
    };
    for (let i = 0; i < slopes.length; i++) slopes[i] = (at(i, step) - at(i, -step)) / (2 * step);
    return tensor(slopes, { shape: points[input].shape });
  });
}

/** Σ of all results times their cotangents. */
function weighted(results: readonly Tensor[], cotangents: readonly (Tensor | undefined)[]): Tensor {
  let total: Tensor | undefined;
  results.forEach((result, i) => {
    const cotangent = cotangents[i];
    if (cotangent === undefined) return;
    const part = sum(mul(result, cotangent));
    total = total === undefined ? part : total.add(part);
  });
  if (total === undefined) throw new Error("expectGradient: f has no float result");
  return total;
}

function leaves(tree: TensorTree): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  return Object.values(tree as Readonly<Record<string, TensorTree>>).flatMap(leaves);
}

/** `list` with the entries at `where` replaced. */
function put(list: readonly Tensor[], where: readonly number[], by: readonly Tensor[]): Tensor[] {
  return list.map((item, i) => (where.includes(i) ? by[where.indexOf(i)] : item));
}

function toFloat64(x: Tensor): Tensor {
  if (x.dtype === "int32" || x.dtype === "uint8" || x.dtype === "bool") return x;
  return tensor(Float64Array.from(x.toTypedArray()), { shape: x.shape });
}

function leafOf(x: Tensor): Tensor {
  return tensor(x.toTypedArray(), { shape: x.shape, requiresGrad: true });
}

function zerosLike(x: Tensor): Tensor {
  return tensor(new Float64Array(x.size), { shape: x.shape });
}

/** Differences are taken of values as large as the gradient: their rounding grows with it. */
function scaled(expected: Tensor, tolerance: number): Tolerance {
  const largest = Array.from(expected.toTypedArray()).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return { atol: tolerance * (sizeOf(expected.shape) === 0 ? 1 : largest) };
}

function within<T>(check: () => T, what: string): T {
  try {
    return check();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
