import { zeroBytes } from "@heed/kernels/light";
import { bytesPer, type DType } from "../core/dtype.ts";
import { sizeOf, type Shape } from "../core/shape.ts";

/** Zero bits over a dense array at a byte address. */
export function fillZero(dtype: DType, to: number, shape: Shape): void {
  zeroBytes(to, sizeOf(shape) * bytesPer(dtype));
}
