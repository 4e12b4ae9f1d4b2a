// node --conditions=@heed/source src/convolution/convolution.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { benchmarkConvolution } from "./benchmark.ts";
import { convolution } from "./convolution.ts";

// C, H, W, kernel, stride, padding
const shapes: [number, number, number, number, number, number][] = [
  [64, 56, 56, 3, 1, 1],
  [32, 32, 32, 3, 1, 1],
  [64, 8, 8, 3, 1, 1],
  [32, 32, 32, 3, 2, 1],
  [32, 32, 32, 3, 1, 0],
  [3, 128, 128, 7, 2, 3],
];
const x = allocateBlock(4 * 64 * 56 * 56);
const out = allocateBlock(4 * 64 * 9 * 56 * 56);
for (const which of ["simd", "reference"] as const) {
  const kernels = convolution.implementation(which);
  for (const [C, H, W, k, stride, pad] of which === "simd" ? shapes : shapes.slice(0, 1)) {
    const [outH, outW] = [H, W].map((n) => Math.floor((n + 2 * pad - k) / stride) + 1);
    const name = `${C} × ${H} × ${W}, ${k} × ${k}, stride ${stride}, padding ${pad}`;
    const bytes = 4 * C * k * k * outH * outW; // as written: what is read stays in the caches
    const geometry = [C, H, W, k, k, stride, stride, pad, pad, 1, 1, outH, outW, outH * outW] as const;
    report(
      `${which}: patches ${name}`,
      secondsOf(() => kernels.patches(x, out, ...geometry)),
      bytes,
      "GB/s",
    );
    report(
      `${which}: patchesGrad ${name}`,
      secondsOf(() => kernels.patchesGrad(out, x, ...geometry)),
      bytes,
      "GB/s",
    );
  }
}

const { peak, kernels } = benchmarkConvolution();
console.log(`peak ${(peak.fma ?? peak.mulAdd).toFixed(1)} GFLOP/s`);
for (const { name, build, gflops, ofPeak } of kernels)
  console.log(`${build}: ${name}: ${gflops.toFixed(1)} GFLOP/s, ${(100 * ofPeak).toFixed(0)} % of peak`);
