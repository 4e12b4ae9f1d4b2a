import { f32x4, v128, type Local, type V128 } from "@heed/kernels/assembler";
import { fastSigmoidBlock, fastTanhBlock, type Constants } from "@heed/kernels/building-blocks";
import { gruShape, lstmShape, plainShape, type CellShape } from "./cell-shape.ts";

type Vector = Local<"v128">;

/** Four units of one step. Each part asks for its constants first, then gives the code. */
export interface CellCode {
  readonly shape: CellShape;
  /** From sums, and the h and c before, to activations (one per slot that changes), h and c. */
  forward(k: Constants): (sums: Vector[], h: Vector, c: Vector) => { slots: V128[]; h: V128; c?: V128 };
  /**
   * From activations and the gradients of h and c to the gradients of the sums, and what reaches the h and c before other than
   * through the sums. `extra`: c and the c before, if the recurrence has a cell; the h before, if it carries that.
   */
  backward(k: Constants): (slots: Vector[], extra: Vector[], dh: Vector, dc: Vector) => { slots: V128[]; dh?: V128; dc?: V128 };
}

const product = (...factors: V128[]): V128 => factors.reduce((left, factor) => f32x4.mul(left, factor));

export const lstm: CellCode = {
  shape: lstmShape,
  forward(k) {
    const { f } = k;
    const [sigmoid, tanh] = [fastSigmoidBlock(k), fastTanhBlock(k)];
    const cell = f.local("v128");
    const squash = [sigmoid, sigmoid, tanh, sigmoid];
    return (sums, _h, c) => {
      const [i, forget, g, o] = f.sideBySide(4, (gate) => squash[gate](sums[gate]));
      cell.set(f.madd(forget, c, f32x4.mul(i, g)));
      return { slots: [i, forget, g, o], h: f32x4.mul(o, tanh(cell)), c: cell };
    };
  },
  backward(k) {
    const { f } = k;
    const one = k.f32(1);
    const tanh = fastTanhBlock(k);
    const [squashed, dcell] = f.locals("v128", 2);
    return ([i, forget, g, o], [c, before], dh, dc) => {
      squashed.set(tanh(c));
      dcell.set(f.madd(f32x4.mul(dh, o), f.nmadd(squashed, squashed, one), dc));
      const slots = [
        product(dcell, g, i, f32x4.sub(one, i)),
        product(dcell, before, forget, f32x4.sub(one, forget)),
        product(dcell, i, f.nmadd(g, g, one)),
        product(dh, squashed, o, f32x4.sub(one, o)),
      ];
      return { slots, dc: f32x4.mul(dcell, forget) };
    };
  },
};

export const gru: CellCode = {
  shape: gruShape,
  forward(k) {
    const { f } = k;
    const [sigmoid, tanh] = [fastSigmoidBlock(k), fastTanhBlock(k)];
    return ([preR, preZ, preN, hidden], h) => {
      const [r, z] = f.sideBySide(2, (gate) => sigmoid([preR, preZ][gate]));
      const n = f.let(tanh(f.let(f.madd(r, hidden, preN))));
      return { slots: [r, z, n], h: f.madd(z, f32x4.sub(h, n), n) };
    };
  },
  backward(k) {
    const { f } = k;
    const one = k.f32(1);
    const dn = f.local("v128");
    return ([r, z, n, hidden], [before], dh) => {
      const left = (gate: Vector) => f32x4.mul(gate, f32x4.sub(one, gate));
      dn.set(f32x4.mul(f32x4.mul(dh, f32x4.sub(one, z)), f.nmadd(n, n, one)));
      const slots = [
        f32x4.mul(f32x4.mul(dn, hidden), left(r)),
        f32x4.mul(f32x4.mul(dh, f32x4.sub(before, n)), left(z)),
        dn,
        f32x4.mul(dn, r),
      ];
      return { slots, dh: f32x4.mul(dh, z) };
    };
  },
};

export const tanhCell: CellCode = {
  shape: plainShape,
  forward(k) {
    const tanh = fastTanhBlock(k);
    return ([sum]) => {
      const h = k.f.let(tanh(sum));
      return { slots: [h], h };
    };
  },
  backward(k) {
    const one = k.f32(1);
    return ([h], _extra, dh) => ({ slots: [f32x4.mul(dh, k.f.nmadd(h, h, one))] });
  },
};

export const reluCell: CellCode = {
  shape: plainShape,
  forward(k) {
    const zero = k.f32(0);
    return ([sum]) => {
      // A comparison with NaN is false, so NaN passes.
      const h = k.f.let(v128.andnot(sum, f32x4.le(sum, zero)));
      return { slots: [h], h };
    };
  },
  backward(k) {
    const zero = k.f32(0);
    return ([h], _extra, dh) => ({ slots: [v128.and(dh, f32x4.gt(h, zero))] });
  },
};
