import { DTypeError } from "@heed/kernels";
import { heapArray, type DType, type RealDType, type TypedArray } from "../../core/dtype.ts";
import { requireShape, sizeOf, type Shape } from "../../core/shape.ts";
import { Storage } from "../../core/storage.ts";
import { Tensor } from "../../core/tensor.ts";

/** Options that every maker of random reals takes. */
export interface RandomOptions {
  /** `float32` (default) or `float64`. */
  readonly dtype?: RealDType;
  /** Makes a leaf whose `.grad` `backward` fills. Default false. */
  readonly requiresGrad?: boolean;
}

/** A tensor on the engine's heap that `fill` writes. */
export function drawn<A extends TypedArray>(
  where: string,
  shape: Shape,
  dtype: DType,
  requiresGrad: boolean,
  fill: (out: A) => void,
): Tensor {
  requireShape(where, shape);
  const array = heapArray(dtype, sizeOf(shape));
  fill(array as A);
  return new Tensor(new Storage(dtype, array.length, array), [...shape], undefined, 0, requiresGrad);
}

export function requireRealDType(where: string, dtype: DType): void {
  if (dtype !== "float32" && dtype !== "float64") throw new DTypeError(where, "draws float32 or float64", { dtype });
}

/** Calls `use` with runs of a stream's words, so that no array as long as the result is needed. */
export const chunkWords = 4096;
