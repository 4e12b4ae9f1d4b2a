import type { Views } from "../memory/views.ts";
import type { ConvolutionKernels } from "./convolution.ts";

/** Patches in plain loops: the definition. */
export function reference(views: Views): ConvolutionKernels {
  return {
    patches(x, out, ...geometry) {
      const reals = views.real();
      each(geometry, (pixel, entry) => {
        reals[(out >>> views.shift) + entry] = pixel < 0 ? 0 : reals[(x >>> views.shift) + pixel];
      });
    },
    patchesGrad(g, dx, ...geometry) {
      const reals = views.real();
      each(geometry, (pixel, entry) => {
        if (pixel >= 0) reals[(dx >>> views.shift) + pixel] += reals[(g >>> views.shift) + entry];
      });
    },
  };
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
