import type { Views } from "@heed/kernels";
import type { RnnCell, RnnCellGrad, RnnCellKernels } from "./rnn-cell.ts";

/** A step of a plain recurrent network in plain loops: the definition. */
export function reference(views: Views): RnnCellKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  const cell =
    (f: (x: number) => number): RnnCell =>
    (gates, gatesStride, h, hStride, B, H) => {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = at(gates) + b * gatesStride + k;
          reals[at(h) + b * hStride + k] = reals[gate] = f(reals[gate]);
        }
      }
    };
  const grad =
    (slope: (f: number, g: number) => number): RnnCellGrad =>
    (dy, dyStride, dh, gates, dgates, gatesStride, B, H) => {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = b * gatesStride + k;
          reals[at(dgates) + gate] = slope(reals[at(gates) + gate], reals[at(dy) + b * dyStride + k] + reals[at(dh) + b * H + k]);
        }
      }
    };
  return {
    tanhCell: cell(Math.tanh),
    tanhCellGrad: grad((f, g) => g * (1 - f * f)),
    // Not Math.max: a NaN stays one there too, but 0 must win over −0.
    reluCell: cell((x) => (x <= 0 ? 0 : x)),
    reluCellGrad: grad((f, g) => (f > 0 ? g : 0)),
  };
}
