import { f32, f32x4, f64, i32, i32x4, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, FunctionBuilder, Local } from "../assembler/index.ts";
import { defineLanes } from "./lanes.ts";

/** The WebAssembly of the conversions. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);

  defineLanes(m, "intToFloat", 4, 4, () => (x) => f32x4.convertI32x4S(x));
  defineLanes(m, "floatToInt", 4, 4, () => (x) => i32x4.truncSatF32x4S(x));
  defineLanes(m, "byteToFloat", 1, 4, () => (x) => f32x4.convertI32x4U(x));
  defineLanes(m, "byteToInt", 1, 4, () => (x) => x);
  defineItems(m, "intToByte", 4, 1, (f, x, out) => f.store8(out, i32.load(x)));
  defineItems(m, "intToDouble", 4, 8, (f, x, out) => f.store(out, f64.convertI32S(i32.load(x))));
  defineItems(m, "doubleToInt", 8, 4, (f, x, out) => f.store(out, i32.truncSatF64S(f64.load(x))));
  defineItems(m, "floatToDouble", 4, 8, (f, x, out) => f.store(out, f64.promoteF32(f32.load(x))));
  defineItems(m, "doubleToFloat", 8, 4, (f, x, out) => f.store(out, f32.demoteF64(f64.load(x))));

  defineLanes(m, "floatToBrain", 4, 2, (f) => {
    const round = f.let(i32x4.const(0x7fff));
    const one = f.let(i32x4.const(1));
    const quiet = f.let(i32x4.const(0x40));
    const x = f.local("v128");
    const high = f.local("v128");
    return (bits) => {
      x.set(bits);
      high.set(i32x4.shrU(x, 16));
      const rounded = i32x4.shrU(i32x4.add(i32x4.add(x, round), v128.and(high, one)), 16);
      return v128.bitselect(rounded, v128.or(high, quiet), f32x4.eq(x, x)); // a NaN must not round to ∞
    };
  });
  defineLanes(m, "floatToHalf", 4, 2, (f) => {
    const signBit = f.let(i32x4.const(-0x80000000));
    const infinity = f.let(i32x4.const(0x7f800000));
    const tooLarge = f.let(i32x4.const(0x477fffff)); // just below 65536
    const halfNan = f.let(i32x4.const(0x7e00));
    const halfInfinity = f.let(i32x4.const(0x7c00));
    const smallestNormal = f.let(i32x4.const(0x38800000)); // 2^-14
    const half = f.let(f32x4.const(0.5)); // its last place is 2^-24, that of a subnormal: adding it rounds there
    const rebias = f.let(i32x4.const(0xfff - 0x38000000));
    const one = f.let(i32x4.const(1));
    const sign = f.local("v128");
    const x = f.local("v128");
    const result = f.local("v128");
    return (bits) => {
      x.set(bits);
      sign.set(v128.and(x, signBit));
      x.set(v128.xor(x, sign));
      const odd = v128.and(i32x4.shrU(x, 13), one);
      result.set(i32x4.shrU(i32x4.add(i32x4.add(x, rebias), odd), 13));
      const subnormal = i32x4.sub(f32x4.add(x, half), half);
      result.set(v128.bitselect(subnormal, result, i32x4.ltS(x, smallestNormal)));
      const special = v128.bitselect(halfNan, halfInfinity, i32x4.gtS(x, infinity));
      result.set(v128.bitselect(special, result, i32x4.gtS(x, tooLarge)));
      return v128.or(result, i32x4.shrU(sign, 16));
    };
  });
  return m.toBytes();
}

/** Adds a conversion of one item after the other. */
function defineItems(
  m: ModuleBuilder,
  name: string,
  from: number,
  to: number,
  one: (f: FunctionBuilder, x: Local<"i32">, out: Local<"i32">) => void,
): void {
  m.func(name, { params: { x: "i32", out: "i32", n: "i32" } }, (f, { x, out, n }) => {
    f.forRange(0, n, 1, () => {
      one(f, x, out);
      f.increment(x, from);
      f.increment(out, to);
    });
  });
}
