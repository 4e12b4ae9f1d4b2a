import type { Views } from "../memory/views.ts";
import type { ConvolutionKernels } from "./convolution.ts";

/** Numbers up to this size may be transformed: sums of some of their products stay finite. */
export const MILD = 1e15;

/** Patches and convolution in plain loops: the definition. */
export function reference(views: Views): ConvolutionKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  const own: ConvolutionKernels = {
    patches(x, out, ...geometry) {
      const reals = views.real();
      each(geometry, (pixel, entry) => {
        reals[at(out) + entry] = pixel < 0 ? 0 : reals[at(x) + pixel];
      });
    },
    patchesGrad(g, dx, ...geometry) {
      const reals = views.real();
      each(geometry, (pixel, entry) => {
        if (pixel >= 0) reals[at(dx) + pixel] += reals[at(g) + entry];
      });
    },
    // Packed is in the reference: (o, tap, c), dense.
    packKernel(weight, packed, O, C, taps, strideO, strideC, strideTap) {
      const reals = views.real();
      for (let o = 0; o < O; o++) {
        for (let tap = 0; tap < taps; tap++) {
          for (let c = 0; c < C; c++)
            reals[at(packed) + (o * taps + tap) * C + c] = reals[at(weight) + o * strideO + tap * strideTap + c * strideC];
        }
      }
    },
    correlate(x, packed, bias, y, C, H, W, O, kh, kw, padTop, padLeft, dilationH, dilationW, outH, outW, rowY) {
      const reals = views.real();
      for (let o = 0; o < O; o++) {
        for (let r = 0; r < outH; r++) {
          for (let s = 0; s < outW; s++) {
            let sum = bias === 0 ? 0 : reals[at(bias) + o];
            for (let i = 0; i < kh; i++) {
              for (let j = 0; j < kw; j++) {
                const [h, w] = [r + i * dilationH - padTop, s + j * dilationW - padLeft];
                if (h < 0 || h >= H || w < 0 || w >= W) continue;
                const tap = at(packed) + (o * kh * kw + i * kw + j) * C;
                for (let c = 0; c < C; c++) sum += reals[tap + c] * reals[at(x) + (c * H + h) * W + w];
              }
            }
            reals[at(y) + o * rowY + r * outW + s] = sum;
          }
        }
      }
    },
    areMild(x, n) {
      return Number(
        views
          .real()
          .subarray(at(x), at(x) + n)
          .every((value) => Math.abs(value) <= MILD),
      );
    },
    // By the definition, too.
    packWinograd(weight, packed, O, C, strideO, strideC, strideTap) {
      own.packKernel(weight, packed, O, C, 9, strideO, strideC, strideTap);
    },
    winograd(x, packed, bias, y, C, H, W, O, padTop, padLeft, outH, outW, rowY) {
      own.correlate(x, packed, bias, y, C, H, W, O, 3, 3, padTop, padLeft, 1, 1, outH, outW, rowY, 0);
    },
  };
  return own;
}

type Geometry = Parameters<ConvolutionKernels["patches"]> extends [number, number, ...infer G] ? G : never;

/** Calls visit(offset in the image or −1 outside it, offset in the patches) for every entry of the patches, in order. */
function each(geometry: Geometry, visit: (pixel: number, entry: number) => void): void {
  const [C, H, W, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW, row] = geometry;
  let plane = 0;
  for (let c = 0; c < C; c++) {
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++) {
        for (let r = 0; r < outH; r++) {
          for (let s = 0; s < outW; s++) {
            const h = r * strideH + i * dilationH - padTop;
            const w = s * strideW + j * dilationW - padLeft;
            visit(h >= 0 && h < H && w >= 0 && w < W ? (c * H + h) * W + w : -1, plane + r * outW + s);
          }
        }
        plane += row;
      }
    }
  }
}
