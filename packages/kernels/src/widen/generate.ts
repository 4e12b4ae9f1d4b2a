import { f32x4, i32x4, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build } from "../assembler/index.ts";
import { defineLanes } from "../convert/lanes.ts";

/** What every tensor needs, so that a page has all of it anyway. */
export const stream = "tensors";

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  defineLanes(m, "brainToFloat", 2, 4, () => (x) => i32x4.shl(x, 16));
  defineLanes(m, "halfToFloat", 2, 4, (f) => {
    const rest = f.let(i32x4.const(0x7fff));
    const rebias = f.let(f32x4.const(2 ** 112)); // exponents count from −15 there, from −127 here; exact for subnormals too
    const tooLarge = f.let(f32x4.const(65536));
    const topExponent = f.let(i32x4.const(0x7f800000));
    const x = f.local("v128");
    const value = f.local("v128");
    return (bits) => {
      x.set(bits);
      value.set(f32x4.mul(i32x4.shl(v128.and(x, rest), 13), rebias));
      // ∞ and NaN have the exponent of 65536 now.
      const special = v128.and(f32x4.ge(value, tooLarge), topExponent);
      return v128.or(v128.or(value, special), i32x4.shl(v128.andnot(x, rest), 16));
    };
  });
  return m.toBytes();
}
