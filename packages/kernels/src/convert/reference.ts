import type { Views } from "../memory/views.ts";
import type { ConvertKernels } from "./convert.ts";
import { loop } from "./loop.ts";

/** Conversions in plain loops: the definition. */
export function reference(views: Views): ConvertKernels {
  const memory = () => views.u8().buffer;
  const u8 = () => views.u8();
  const u16 = () => new Uint16Array(memory());
  const i32 = () => views.i32();
  const f32 = () => new Float32Array(memory());
  const f64 = () => new Float64Array(memory());
  const f32Bits = () => new Uint32Array(memory());
  return {
    floatToHalf: loop(f32Bits, u16, floatToHalf),
    floatToBrain: loop(f32Bits, u16, floatToBrain),
    intToFloat: loop(i32, f32, (x) => x),
    floatToInt: loop(f32, i32, truncate),
    intToDouble: loop(i32, f64, (x) => x),
    doubleToInt: loop(f64, i32, truncate),
    floatToDouble: loop(f32, f64, (x) => x),
    doubleToFloat: loop(f64, f32, (x) => x),
    byteToFloat: loop(u8, f32, (x) => x),
    byteToInt: loop(u8, i32, (x) => x),
    intToByte: loop(i32, u8, (x) => x),
  };
}

function truncate(x: number): number {
  return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, -(2 ** 31)), 2 ** 31 - 1));
}

/** Bits of a float32 → bits of the nearest float16. */
function floatToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00;
  if (rest >= 0x47800000) return sign | 0x7c00; // 65536 and above
  const exponent = (rest >>> 23) - 127;
  // A float16 keeps ten fraction bits above 2^-14, and multiples of 2^-24 below: what is dropped decides the rounding.
  const normal = exponent >= -14;
  const mantissa = normal ? rest - 0x38000000 : (rest & 0x7fffff) | 0x800000;
  const drop = normal ? 13 : -1 - exponent;
  if (drop > 25) return sign;
  const kept = Math.floor(mantissa / 2 ** drop);
  const left = mantissa - kept * 2 ** drop;
  const half = 2 ** (drop - 1);
  // A carry out of the fraction is the next exponent, at the top ∞.
  return sign | (kept + (left > half || (left === half && (kept & 1) === 1) ? 1 : 0));
}

/** Bits of a float32 → bits of the nearest bfloat16. */
function floatToBrain(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // a NaN must not round to ∞
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
