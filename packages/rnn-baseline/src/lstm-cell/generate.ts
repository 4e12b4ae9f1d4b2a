import { f32x4, ModuleBuilder, type Build, type V128 } from "@heed/kernels/assembler";
import { Constants, mapRow, sigmoidBlock, tanhBlock } from "@heed/kernels/building-blocks";
import { advance, blocks } from "../internal/rows.ts";

/** The WebAssembly of a step of an LSTM. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const FORWARD = {
    pre: "i32",
    gates: "i32",
    gatesStride: "i32",
    cPrev: "i32",
    c: "i32",
    h: "i32",
    hStride: "i32",
    B: "i32",
    H: "i32",
  } as const;
  m.func("lstmCell", { params: FORWARD }, (f, { pre, gates, gatesStride, cPrev, c, h, hStride, B, H }) => {
    const k = new Constants(f);
    const sigmoid = sigmoidBlock(k);
    const tanh = tanhBlock(k);
    const cell = f.local("v128");
    f.forRange(0, B, 1, () => {
      mapRow(f, H, [...blocks(f, pre, H, 4), cPrev], [...blocks(f, gates, H, 4), c, h], ([preI, preF, preG, preO, before]) => {
        const i = sigmoid(preI).value;
        const forget = sigmoid(preF).value;
        const g = f.let(tanh(preG));
        const o = sigmoid(preO).value;
        cell.set(f.madd(forget, before, f32x4.mul(i, g)));
        return [i, forget, g, o, cell, f32x4.mul(o, tanh(cell))];
      });
      advance(f, [pre, gates], gatesStride);
      advance(f, [h], hStride);
      advance(f, [cPrev, c], H);
    });
  });

  const BACKWARD = {
    dy: "i32",
    dyStride: "i32",
    dh: "i32",
    dc: "i32",
    gates: "i32",
    dpre: "i32",
    gatesStride: "i32",
    cPrev: "i32",
    c: "i32",
    dcPrev: "i32",
    B: "i32",
    H: "i32",
  } as const;
  m.func("lstmCellGrad", { params: BACKWARD }, (f, { dy, dyStride, dh, dc, gates, dpre, gatesStride, cPrev, c, dcPrev, B, H }) => {
    const k = new Constants(f);
    const one = k.f32(1);
    const tanh = tanhBlock(k);
    const [hidden, squashed, dcell] = f.locals("v128", 3);
    f.forRange(0, B, 1, () => {
      const inputs = [dy, dh, dc, cPrev, c, ...blocks(f, gates, H, 4)];
      mapRow(f, H, inputs, [...blocks(f, dpre, H, 4), dcPrev], ([output, next, given, before, cell, i, forget, g, o]) => {
        const times = (...factors: V128[]) => factors.reduce((product, factor) => f32x4.mul(product, factor));
        hidden.set(f32x4.add(output, next));
        squashed.set(tanh(cell));
        dcell.set(f.madd(f32x4.mul(hidden, o), f.nmadd(squashed, squashed, one), given));
        return [
          times(dcell, g, i, f32x4.sub(one, i)),
          times(dcell, before, forget, f32x4.sub(one, forget)),
          times(dcell, i, f.nmadd(g, g, one)),
          times(hidden, squashed, o, f32x4.sub(one, o)),
          times(dcell, forget),
        ];
      });
      advance(f, [gates, dpre], gatesStride);
      advance(f, [dy], dyStride);
      advance(f, [dh, dc, cPrev, c, dcPrev], H);
    });
  });
  return m.toBytes();
}
