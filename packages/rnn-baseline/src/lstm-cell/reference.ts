import type { Views } from "@heed/kernels";
import type { LstmCellKernels } from "./lstm-cell.ts";

/** A step of an LSTM in plain loops: the definition. */
export function reference(views: Views): LstmCellKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  return {
    lstmCell(pre, gates, gatesStride, cPrev, c, h, hStride, B, H) {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = b * gatesStride + k;
          const [i, f, g, o] = [0, 1, 2, 3].map((which) => {
            const x = reals[at(pre) + gate + which * H];
            return (reals[at(gates) + gate + which * H] = which === 2 ? Math.tanh(x) : sigmoid(x));
          });
          const cell = f * reals[at(cPrev) + b * H + k] + i * g;
          reals[at(c) + b * H + k] = cell;
          reals[at(h) + b * hStride + k] = o * Math.tanh(cell);
        }
      }
    },
    lstmCellGrad(dy, dyStride, dh, dc, gates, dpre, gatesStride, cPrev, c, dcPrev, B, H) {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = b * gatesStride + k;
          const [i, f, g, o] = [0, 1, 2, 3].map((which) => reals[at(gates) + gate + which * H]);
          const squashed = Math.tanh(reals[at(c) + b * H + k]);
          const dhidden = reals[at(dy) + b * dyStride + k] + reals[at(dh) + b * H + k];
          const dcell = reals[at(dc) + b * H + k] + dhidden * o * (1 - squashed * squashed);
          const gradients = [
            dcell * g * i * (1 - i),
            dcell * reals[at(cPrev) + b * H + k] * f * (1 - f),
            dcell * i * (1 - g * g),
            dhidden * squashed * o * (1 - o),
          ];
          gradients.forEach((gradient, which) => {
            reals[at(dpre) + gate + which * H] = gradient;
          });
          reals[at(dcPrev) + b * H + k] = dcell * f;
        }
      }
    },
  };
}
