import { i16x8, i32, i32x4, v128 } from "../assembler/index.ts";
import type { FunctionBuilder, I32, ModuleBuilder, V128 } from "../assembler/index.ts";

/** Adds a conversion that works on four lanes of 32 bits; `prepare` may make constants before it gives the lanes' results. */
export function defineLanes(
  m: ModuleBuilder,
  name: string,
  from: 1 | 2 | 4,
  to: 2 | 4,
  prepare: (f: FunctionBuilder) => (x: V128) => V128,
): void {
  m.func(name, { params: { x: "i32", out: "i32", n: "i32" } }, (f, { x, out, n }) => {
    const convert = prepare(f);
    f.vectorLoop(
      n,
      () => {
        const result = convert(loadFour(from, x));
        if (to === 4) f.store(out, result);
        else {
          const lanes = f.let(result);
          f.store64Lane(out, i16x8.narrowI32x4U(lanes, lanes), 0);
        }
        f.increment(x, 4 * from);
        f.increment(out, 4 * to);
      },
      () => {
        const result = convert(loadOne(from, x));
        if (to === 4) f.store32Lane(out, result, 0);
        else f.store16(out, i32x4.extractLane(result, 0));
        f.increment(x, from);
        f.increment(out, to);
      },
    );
  });
}

/** Four items, each in 32 bits. */
function loadFour(bytes: 1 | 2 | 4, x: I32): V128 {
  if (bytes === 4) return v128.load(x);
  return bytes === 2 ? v128.load16x4U(x) : i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(v128.load32Zero(x)));
}

/** One item, in the first 32 bits. */
function loadOne(bytes: 1 | 2 | 4, x: I32): V128 {
  if (bytes === 4) return v128.load32Zero(x);
  return i32x4.splat(bytes === 2 ? i32.load16U(x) : i32.load8U(x));
}
