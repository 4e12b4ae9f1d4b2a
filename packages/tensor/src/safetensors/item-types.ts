import type { DType } from "../core/dtype.ts";

/** An element type of the file format, and what it becomes here. */
export interface ItemType {
  readonly name: string;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly dtype: DType;
}

/** I64 has no counterpart: its values become int32 where they fit. It is read only, never written. */
export const itemTypes: readonly ItemType[] = [
  { name: "F64", bytes: 8, dtype: "float64" },
  { name: "F32", bytes: 4, dtype: "float32" },
  { name: "F16", bytes: 2, dtype: "float16" },
  { name: "BF16", bytes: 2, dtype: "bfloat16" },
  { name: "I32", bytes: 4, dtype: "int32" },
  { name: "U8", bytes: 1, dtype: "uint8" },
  { name: "BOOL", bytes: 1, dtype: "bool" },
  { name: "I64", bytes: 8, dtype: "int32" },
];
