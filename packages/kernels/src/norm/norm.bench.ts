// node --conditions=@heed/source src/norm/norm.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { norm } from "./norm.ts";

const [rows, n] = [197, 768];
const size = rows * n;
const [x, g, out, dx, small, weight, dweight, dbias, mean, rstd] = Array.from({ length: 10 }, () => allocateBlock(4 * size));
float32View().set(noise(size, 1), x >>> 2);
float32View().set(noise(size, 2), g >>> 2);
float32View().set(noise(n, 3), weight >>> 2);
const [B, C, inner] = [32, 64, 64];

for (const which of ["relaxed", "simd", "reference"] as const) {
  const kernels = norm.implementation(which);
  // Bytes as in the design's table: one read of each large input, one write of each large output.
  const time = (what: string, arrays: number, work: () => void) => report(`${which}: ${what}`, secondsOf(work), 4 * arrays, "GB/s");
  time(`layerNorm ${rows} × ${n}`, 2 * size, () => kernels.layerNorm(x, weight, small, out, mean, rstd, rows, n, 1e-5));
  time(`layerNormGrad ${rows} × ${n}`, 3 * size, () => kernels.layerNormGrad(x, weight, mean, rstd, g, dx, dweight, dbias, rows, n));
  time(`layerNorm 4096 × 32`, 2 * 4096 * 32, () => kernels.layerNorm(x, weight, small, out, mean, rstd, 4096, 32, 1e-5));
  time(`rmsNorm ${rows} × ${n}`, 2 * size, () => kernels.rmsNorm(x, weight, out, rstd, rows, n, 1e-5));
  time(`channelMoments ${B} × ${C} × ${inner}`, B * C * inner, () => kernels.channelMoments(x, mean, rstd, B, C, inner, C * inner));
  time(`channelAffine ${B} × ${C} × ${inner}`, 2 * B * C * inner, () =>
    kernels.channelAffine(x, weight, small, out, B, C, inner, C * inner),
  );
  time(`batchNormGrad ${B} × ${C} × ${inner}`, 3 * B * C * inner, () =>
    kernels.batchNormGrad(x, g, mean, rstd, weight, dx, dweight, dbias, B, C, inner, C * inner),
  );
}
