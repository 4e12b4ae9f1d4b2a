import { binaryKernels } from "@heed/kernels/light";
import type { RealDType } from "../core/dtype.ts";

/** y ← y + alpha · x over n elements, at byte addresses. */
export function axpy(dtype: RealDType, x: number, y: number, n: number, alpha: number): void {
  if (n > 0) binaryKernels.on(dtype).axpy(x, y, n, alpha);
}
