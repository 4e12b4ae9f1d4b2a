import type { Views } from "@heed/kernels";
import type { GruCellKernels } from "./gru-cell.ts";

/** A step of a gated recurrent unit in plain loops: the definition. */
export function reference(views: Views): GruCellKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  return {
    gruCell(gates, gatesStride, hPrev, hPrevStride, h, hStride, B, H) {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = at(gates) + b * gatesStride + k;
          const r = (reals[gate] = sigmoid(reals[gate]));
          const z = (reals[gate + H] = sigmoid(reals[gate + H]));
          const n = (reals[gate + 2 * H] = Math.tanh(reals[gate + 2 * H] + r * reals[gate + 3 * H]));
          reals[at(h) + b * hStride + k] = (1 - z) * n + z * reals[at(hPrev) + b * hPrevStride + k];
        }
      }
    },
    gruCellGrad(dy, dyStride, dh, gates, dgates, gatesStride, hPrev, hPrevStride, B, H) {
      const reals = views.real();
      for (let b = 0; b < B; b++) {
        for (let k = 0; k < H; k++) {
          const gate = b * gatesStride + k;
          const [r, z, n, hn] = [0, 1, 2, 3].map((which) => reals[at(gates) + gate + which * H]);
          const before = reals[at(hPrev) + b * hPrevStride + k];
          const slope = reals[at(dy) + b * dyStride + k] + reals[at(dh) + b * H + k];
          const dn = slope * (1 - z) * (1 - n * n);
          const gradients = [dn * hn * r * (1 - r), slope * (before - n) * z * (1 - z), dn, dn * r];
          gradients.forEach((gradient, which) => {
            reals[at(dgates) + gate + which * H] = gradient;
          });
          reals[at(dh) + b * H + k] = slope * z;
        }
      }
    },
  };
}
