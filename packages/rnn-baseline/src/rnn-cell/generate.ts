import { f32x4, ModuleBuilder, v128, type Build, type FunctionBuilder, type Local, type V128 } from "@heed/kernels/assembler";
import { Constants, mapRow, tanhBlock } from "@heed/kernels/building-blocks";
import { advance } from "../internal/rows.ts";

type Vector = Local<"v128">;

/** The WebAssembly of a step of a plain recurrent network. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const FORWARD = { gates: "i32", gatesStride: "i32", h: "i32", hStride: "i32", B: "i32", H: "i32" } as const;
  const cell = (name: string, block: (f: FunctionBuilder, k: Constants) => (x: Vector) => V128) => {
    m.func(name, { params: FORWARD }, (f, { gates, gatesStride, h, hStride, B, H }) => {
      const activation = block(f, new Constants(f));
      f.forRange(0, B, 1, () => {
        mapRow(f, H, [gates], [gates, h], ([x]) => {
          const y = f.let(activation(x));
          return [y, y];
        });
        advance(f, [gates], gatesStride);
        advance(f, [h], hStride);
      });
    });
  };
  const BACKWARD = { dy: "i32", dyStride: "i32", dh: "i32", gates: "i32", dgates: "i32", gatesStride: "i32", B: "i32", H: "i32" } as const;
  const grad = (name: string, block: (f: FunctionBuilder, k: Constants) => (y: Vector, g: Vector) => V128) => {
    m.func(name, { params: BACKWARD }, (f, { dy, dyStride, dh, gates, dgates, gatesStride, B, H }) => {
      const slope = block(f, new Constants(f));
      f.forRange(0, B, 1, () => {
        mapRow(f, H, [dy, dh, gates], [dgates], ([output, next, y]) => [slope(y, f.let(f32x4.add(output, next)))]);
        advance(f, [dy], dyStride);
        advance(f, [dh], H);
        advance(f, [gates, dgates], gatesStride);
      });
    });
  };
  cell("tanhCell", (_f, k) => tanhBlock(k));
  grad("tanhCellGrad", (f, k) => {
    const one = k.f32(1);
    return (y, g) => f32x4.mul(g, f.nmadd(y, y, one));
  });
  // A comparison with NaN is false, so NaN passes.
  cell("reluCell", (_f, k) => {
    const zero = k.f32(0);
    return (x) => v128.andnot(x, f32x4.le(x, zero));
  });
  grad("reluCellGrad", (_f, k) => {
    const zero = k.f32(0);
    return (y, g) => v128.and(g, f32x4.gt(y, zero));
  });
  return m.toBytes();
}
