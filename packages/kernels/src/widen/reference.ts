import { loop } from "../convert/loop.ts";
import type { Views } from "../memory/views.ts";
import type { WidenKernels } from "./widen.ts";

/** Widening in plain loops: the definition. */
export function reference(views: Views): WidenKernels {
  const u16 = () => new Uint16Array(views.u8().buffer);
  const bits = () => new Uint32Array(views.u8().buffer);
  return { halfToFloat: loop(u16, bits, halfToFloat), brainToFloat: loop(u16, bits, (x) => x << 16) };
}

/** Bits of a float16 → bits of the float32 of the same value. */
function halfToFloat(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  const shift = Math.clz32(mantissa) - 21; // brings the leading one of a subnormal to bit 10
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}
