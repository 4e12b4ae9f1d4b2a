import { DTypeError, ShapeError } from "@heed/kernels";
import type { DType } from "../../core/dtype.ts";
import { sameShape, type Shape } from "../../core/shape.ts";
import { requireTensor, type Tensor } from "../../core/tensor.ts";
import { widened } from "../widened.ts";

/** A weight or bias of the right shape, widened, or none. */
export function vector(where: string, name: string, value: Tensor | undefined, shape: Shape): Tensor | undefined {
  if (value === undefined) return undefined;
  requireTensor(where, name, value);
  if (!sameShape(value.shape, shape)) {
    throw new ShapeError(where, `${name} must have the shape of the normalised axes`, { [name]: value.shape, expected: shape });
  }
  return widened(value);
}

export function sameDType(where: string, tensors: Readonly<Record<string, Tensor | undefined>>): void {
  let first: DType | undefined;
  for (const name in tensors) {
    const dtype = tensors[name]?.dtype;
    first ??= dtype;
    if (dtype === undefined || dtype === first) continue;
    throw new DTypeError(
      where,
      "dtypes must agree: nothing is promoted silently",
      Object.fromEntries(Object.entries(tensors).flatMap(([each, tensor]) => (tensor === undefined ? [] : [[each, tensor.dtype]]))),
      "Convert one: cast(x, dtype).",
    );
  }
}

/** Addresses in the order of `slots`, 0 where a slot is empty. */
export function places(addresses: readonly number[], slots: readonly unknown[]): number[] {
  let next = 0;
  return slots.map((slot) => (slot === undefined ? 0 : addresses[next++]));
}

/** Flags in the order of `slots`, false where a slot is empty. */
export function wanted(needs: readonly boolean[], slots: readonly unknown[]): boolean[] {
  let next = 0;
  return slots.map((slot) => slot !== undefined && needs[next++]);
}

/** Results in the order of `slots`, undefined where a slot is empty. */
export function spread(results: readonly Tensor[], slots: readonly unknown[]): (Tensor | undefined)[] {
  let next = 0;
  return slots.map((slot) => (slot === undefined ? undefined : results[next++]));
}

/** The slots that are filled. */
export function present<T>(slots: readonly (T | undefined)[]): T[] {
  return slots.filter((slot): slot is T => slot !== undefined);
}
