import { DTypeError } from "@heed/kernels/light";

/** Kinds of elements. `float32` computes; `float64` checks, on the reference; `float16` and `bfloat16` only store. */
export type DType = "float32" | "float64" | "float16" | "bfloat16" | "int32" | "uint8" | "bool";

/** The dtypes that arithmetic and gradients work in. */
export type RealDType = "float32" | "float64";

/** What holds the elements on the engine's heap: float16 and bfloat16 as their bits, bool as 0 or 1. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

const widths = { float32: 4, float64: 8, float16: 2, bfloat16: 2, int32: 4, uint8: 1, bool: 1 } as const;

/** Bytes of one element. */
export function bytesPer(dtype: DType): 1 | 2 | 4 | 8 {
  return widths[dtype];
}

/** A zeroed array on the engine's heap. */
export function heapArray(dtype: DType, length: number): TypedArray {
  return new arrays[dtype](length);
}

/** A view over linear memory, for use before the next allocation only. */
export function viewOf(dtype: DType, buffer: ArrayBuffer, byteOffset: number, length: number): TypedArray {
  return new arrays[dtype](buffer, byteOffset, length);
}

export function isReal(dtype: DType): dtype is RealDType {
  return dtype === "float32" || dtype === "float64";
}

/** The dtype as a real one, or the error that says what to do. */
export function requireReal(where: string, dtype: DType): RealDType {
  if (isReal(dtype)) return dtype;
  throw new DTypeError(where, "works on float32 and float64", { dtype }, 'Convert first: cast(x, "float32").');
}
