import { f32x4, ModuleBuilder, type Build } from "@heed/kernels/assembler";
import { Constants, mapRow, sigmoidBlock, tanhBlock } from "@heed/kernels/building-blocks";
import { advance, blocks } from "../internal/rows.ts";

/** The WebAssembly of a step of a gated recurrent unit. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const FORWARD = {
    gates: "i32",
    gatesStride: "i32",
    hPrev: "i32",
    hPrevStride: "i32",
    h: "i32",
    hStride: "i32",
    B: "i32",
    H: "i32",
  } as const;
  m.func("gruCell", { params: FORWARD }, (f, { gates, gatesStride, hPrev, hPrevStride, h, hStride, B, H }) => {
    const k = new Constants(f);
    const sigmoid = sigmoidBlock(k);
    const tanh = tanhBlock(k);
    f.forRange(0, B, 1, () => {
      const [r, z, n, hn] = blocks(f, gates, H, 4);
      mapRow(f, H, [r, z, n, hn, hPrev], [r, z, n, h], ([preR, preZ, preN, hidden, before]) => {
        const reset = f.let(sigmoid(preR).value);
        const update = f.let(sigmoid(preZ).value);
        const fresh = f.let(tanh(f.let(f.madd(reset, hidden, preN))));
        return [reset, update, fresh, f.madd(update, f32x4.sub(before, fresh), fresh)];
      });
      advance(f, [gates], gatesStride);
      advance(f, [hPrev], hPrevStride);
      advance(f, [h], hStride);
    });
  });

  const BACKWARD = {
    dy: "i32",
    dyStride: "i32",
    dh: "i32",
    gates: "i32",
    dgates: "i32",
    gatesStride: "i32",
    hPrev: "i32",
    hPrevStride: "i32",
    B: "i32",
    H: "i32",
  } as const;
  m.func("gruCellGrad", { params: BACKWARD }, (f, { dy, dyStride, dh, gates, dgates, gatesStride, hPrev, hPrevStride, B, H }) => {
    const one = new Constants(f).f32(1);
    const [slope, dn] = f.locals("v128", 2);
    f.forRange(0, B, 1, () => {
      mapRow(f, H, [dy, dh, hPrev, ...blocks(f, gates, H, 4)], [...blocks(f, dgates, H, 4), dh], ([output, next, before, r, z, n, hn]) => {
        const left = (gate: typeof r) => f32x4.mul(gate, f32x4.sub(one, gate));
        slope.set(f32x4.add(output, next));
        dn.set(f32x4.mul(f32x4.mul(slope, f32x4.sub(one, z)), f.nmadd(n, n, one)));
        return [
          f32x4.mul(f32x4.mul(dn, hn), left(r)),
          f32x4.mul(f32x4.mul(slope, f32x4.sub(before, n)), left(z)),
          dn,
          f32x4.mul(dn, r),
          f32x4.mul(slope, z),
        ];
      });
      advance(f, [gates, dgates], gatesStride);
      advance(f, [dy], dyStride);
      advance(f, [hPrev], hPrevStride);
      advance(f, [dh], H);
    });
  });
  return m.toBytes();
}
