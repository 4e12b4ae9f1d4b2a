import { f32x4, i32, ModuleBuilder, type Build, type FunctionBuilder, type Local, type V128 } from "@heed/kernels/assembler";
import { Constants, mapRow, sigmoidBlock, tanhBlock } from "@heed/kernels/building-blocks";

/** The WebAssembly of a step of an LSTM. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const POINTERS = { pre: "i32", cPrev: "i32", gates: "i32", c: "i32", h: "i32" } as const;
  m.func("lstmCell", { params: { ...POINTERS, B: "i32", H: "i32" } }, (f, { pre, cPrev, gates, c, h, B, H }) => {
    const k = new Constants(f);
    const sigmoid = sigmoidBlock(k);
    const tanh = tanhBlock(k);
    const cell = f.local("v128");
    f.forRange(0, B, 1, () => {
      mapRow(f, H, [...quarters(f, pre, H), cPrev], [...quarters(f, gates, H), c, h], ([preI, preF, preG, preO, before]) => {
        const i = sigmoid(preI).value;
        const forget = sigmoid(preF).value;
        const g = f.let(tanh(preG));
        const o = sigmoid(preO).value;
        cell.set(f.madd(forget, before, f32x4.mul(i, g)));
        return [i, forget, g, o, cell, f32x4.mul(o, tanh(cell))];
      });
      advance(f, H, [pre, gates], [cPrev, c, h]);
    });
  });

  const GRADIENT = { dh: "i32", dc: "i32", gates: "i32", cPrev: "i32", c: "i32", dpre: "i32", dcPrev: "i32" } as const;
  m.func("lstmCellGrad", { params: { ...GRADIENT, B: "i32", H: "i32" } }, (f, { dh, dc, gates, cPrev, c, dpre, dcPrev, B, H }) => {
    const k = new Constants(f);
    const one = k.f32(1);
    const tanh = tanhBlock(k);
    const [squashed, dcell] = f.locals("v128", 2);
    f.forRange(0, B, 1, () => {
      const inputs = [dh, dc, cPrev, c, ...quarters(f, gates, H)];
      mapRow(f, H, inputs, [...quarters(f, dpre, H), dcPrev], ([hidden, given, before, cell, i, forget, g, o]) => {
        const times = (...factors: V128[]) => factors.reduce((product, factor) => f32x4.mul(product, factor));
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
      advance(f, H, [gates, dpre], [dh, dc, cPrev, c, dcPrev]);
    });
  });
  return m.toBytes();
}

type Int = Local<"i32">;

/** Pointers to the four gates of a row. */
function quarters(f: FunctionBuilder, row: Int, H: Int): Int[] {
  const bytes = f.let(i32.shl(H, 2));
  const pointers = [row];
  while (pointers.length < 4) pointers.push(f.let(i32.add(pointers[pointers.length - 1], bytes)));
  return pointers;
}

/** To the next row: 4 H elements on for the gates, H for the others. */
function advance(f: FunctionBuilder, H: Int, gates: Int[], others: Int[]): void {
  for (const pointer of others) f.increment(pointer, i32.shl(H, 2));
  for (const pointer of gates) f.increment(pointer, i32.shl(H, 4));
}
