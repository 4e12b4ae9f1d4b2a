import { linearMemory } from "./linear-memory.ts";

/**
 * What a plain-loop kernel sees of the linear memory: typed arrays over the whole of it, indexed by `pointer >> shift`.
 * Fetch them anew in every call: growth empties old ones.
 */
export interface Views {
  /** log2 of the bytes of a real number: 2 for float32, 3 for float64. */
  readonly shift: 2 | 3;
  real(): Float32Array | Float64Array;
  i32(): Int32Array;
  u8(): Uint8Array;
}

let f32: Float32Array | undefined;
let f64: Float64Array | undefined;
let i32: Int32Array | undefined;
let u8: Uint8Array | undefined;

/** All of linear memory as float32. */
export function float32View(): Float32Array {
  const { buffer } = linearMemory();
  return f32?.buffer === buffer ? f32 : (f32 = new Float32Array(buffer));
}

/** All of linear memory as float64. */
export function float64View(): Float64Array {
  const { buffer } = linearMemory();
  return f64?.buffer === buffer ? f64 : (f64 = new Float64Array(buffer));
}

/** All of linear memory as int32. */
export function int32View(): Int32Array {
  const { buffer } = linearMemory();
  return i32?.buffer === buffer ? i32 : (i32 = new Int32Array(buffer));
}

/** All of linear memory as bytes. */
export function uint8View(): Uint8Array {
  const { buffer } = linearMemory();
  return u8?.buffer === buffer ? u8 : (u8 = new Uint8Array(buffer));
}

/** The views that a reference kernel of that precision works on. */
export function viewsOf(dtype: "float32" | "float64"): Views {
  return dtype === "float64"
    ? { shift: 3, real: float64View, i32: int32View, u8: uint8View }
    : { shift: 2, real: float32View, i32: int32View, u8: uint8View };
}
