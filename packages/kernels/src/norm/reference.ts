import type { Views } from "../memory/views.ts";
import type { NormKernels } from "./norm.ts";

/** Normalisations in plain loops: the definition. */
export function reference(views: Views): NormKernels {
  const at = (pointer: number) => pointer >>> views.shift;

  const kernels: NormKernels = {
    layerNorm(xPointer, weightPointer, biasPointer, outPointer, meanPointer, rstdPointer, rows, n, eps) {
      const reals = views.real();
      const [x, weight, bias, out] = [at(xPointer), at(weightPointer), at(biasPointer), at(outPointer)];
      for (let row = 0; row < rows; row++) {
        const { mean, variance } = moments(1, n, (_, i) => reals[x + row * n + i]);
        const rstd = 1 / Math.sqrt(variance + eps);
        for (let i = 0; i < n; i++) {
          const scaled = (reals[x + row * n + i] - mean) * rstd * (weightPointer ? reals[weight + i] : 1);
          reals[out + row * n + i] = scaled + (biasPointer ? reals[bias + i] : 0);
        }
        if (meanPointer) reals[at(meanPointer) + row] = mean;
        if (rstdPointer) reals[at(rstdPointer) + row] = rstd;
      }
    },

    layerNormGrad(xPointer, weightPointer, meanPointer, rstdPointer, gPointer, dxPointer, dweightPointer, dbiasPointer, rows, n) {
      const reals = views.real();
      const [x, weight, g, dx] = [at(xPointer), at(weightPointer), at(gPointer), at(dxPointer)];
      const dweight = new Float64Array(n);
      const dbias = new Float64Array(n);
      for (let row = 0; row < rows; row++) {
        const mean = reals[at(meanPointer) + row];
        const rstd = reals[at(rstdPointer) + row];
        let sum = 0;
        let dot = 0;
        for (let i = 0; i < n; i++) {
          const gradient = reals[g + row * n + i];
          const normal = (reals[x + row * n + i] - mean) * rstd;
          const weighted = gradient * (weightPointer ? reals[weight + i] : 1);
          sum += weighted;
          dot += weighted * normal;
          dweight[i] += gradient * normal;
          dbias[i] += gradient;
        }
        if (!dxPointer) continue;
        for (let i = 0; i < n; i++) {
          const normal = (reals[x + row * n + i] - mean) * rstd;
          const weighted = reals[g + row * n + i] * (weightPointer ? reals[weight + i] : 1);
          reals[dx + row * n + i] = rstd * (weighted - sum / n - (normal * dot) / n);
        }
      }
      if (dweightPointer) reals.set(dweight, at(dweightPointer));
      if (dbiasPointer) reals.set(dbias, at(dbiasPointer));
    },

    addLayerNorm(x, y, sum, weight, bias, out, mean, rstd, rows, n, eps) {
      const reals = views.real();
      for (let i = 0; i < rows * n; i++) reals[at(sum) + i] = reals[at(x) + i] + reals[at(y) + i];
      kernels.layerNorm(sum, weight, bias, out, mean, rstd, rows, n, eps);
    },

    addLayerNormGrad(x, weight, mean, rstd, g, more, dx, dweight, dbias, rows, n) {
      kernels.layerNormGrad(x, weight, mean, rstd, g, dx, dweight, dbias, rows, n);
      if (!dx) return;
      const reals = views.real();
      for (let i = 0; i < rows * n; i++) reals[at(dx) + i] += reals[at(more) + i];
    },

    rmsNorm(xPointer, weightPointer, outPointer, rstdPointer, rows, n, eps) {
      const reals = views.real();
      const [x, weight, out] = [at(xPointer), at(weightPointer), at(outPointer)];
      for (let row = 0; row < rows; row++) {
        let squares = 0;
        for (let i = 0; i < n; i++) squares += reals[x + row * n + i] ** 2;
        const rstd = 1 / Math.sqrt(squares / n + eps);
        for (let i = 0; i < n; i++) {
          reals[out + row * n + i] = reals[x + row * n + i] * rstd * (weightPointer ? reals[weight + i] : 1);
        }
        if (rstdPointer) reals[at(rstdPointer) + row] = rstd;
      }
    },

    rmsNormGrad(xPointer, weightPointer, rstdPointer, gPointer, dxPointer, dweightPointer, rows, n) {
      const reals = views.real();
      const [x, weight, g, dx] = [at(xPointer), at(weightPointer), at(gPointer), at(dxPointer)];
      const dweight = new Float64Array(n);
      for (let row = 0; row < rows; row++) {
        const rstd = reals[at(rstdPointer) + row];
        let dot = 0;
        for (let i = 0; i < n; i++) {
          const gradient = reals[g + row * n + i];
          const normal = reals[x + row * n + i] * rstd;
          dot += gradient * (weightPointer ? reals[weight + i] : 1) * normal;
          dweight[i] += gradient * normal;
        }
        if (!dxPointer) continue;
        for (let i = 0; i < n; i++) {
          const normal = reals[x + row * n + i] * rstd;
          const weighted = reals[g + row * n + i] * (weightPointer ? reals[weight + i] : 1);
          reals[dx + row * n + i] = rstd * (weighted - (normal * dot) / n);
        }
      }
      if (dweightPointer) reals.set(dweight, at(dweightPointer));
    },

    channelMoments(xPointer, meanPointer, variancePointer, B, C, inner, stride) {
      const reals = views.real();
      const x = at(xPointer);
      for (let c = 0; c < C; c++) {
        const { mean, variance } = moments(B, inner, (b, i) => reals[x + b * stride + c * inner + i]);
        reals[at(meanPointer) + c] = mean;
        reals[at(variancePointer) + c] = variance;
      }
    },

    channelAffine(xPointer, scalePointer, shiftPointer, outPointer, B, C, inner, stride) {
      const reals = views.real();
      const [x, out] = [at(xPointer), at(outPointer)];
      for (let c = 0; c < C; c++) {
        const scale = reals[at(scalePointer) + c];
        const shift = reals[at(shiftPointer) + c];
        for (let b = 0; b < B; b++) {
          const start = b * stride + c * inner;
          for (let i = start; i < start + inner; i++) reals[out + i] = reals[x + i] * scale + shift;
        }
      }
    },

    batchNormGrad(
      xPointer,
      gPointer,
      meanPointer,
      rstdPointer,
      weightPointer,
      dxPointer,
      dweightPointer,
      dbiasPointer,
      B,
      C,
      inner,
      stride,
    ) {
      const reals = views.real();
      const [x, g, dx] = [at(xPointer), at(gPointer), at(dxPointer)];
      for (let c = 0; c < C; c++) {
        const mean = reals[at(meanPointer) + c];
        const rstd = reals[at(rstdPointer) + c];
        const weight = weightPointer ? reals[at(weightPointer) + c] : 1;
        let sum = 0;
        let dot = 0;
        for (let b = 0; b < B; b++) {
          for (let i = b * stride + c * inner; i < b * stride + (c + 1) * inner; i++) {
            sum += reals[g + i];
            dot += reals[g + i] * (reals[x + i] - mean) * rstd;
          }
        }
        reals[at(dbiasPointer) + c] = sum;
        reals[at(dweightPointer) + c] = dot;
        if (!dxPointer) continue;
        for (let b = 0; b < B; b++) {
          for (let i = b * stride + c * inner; i < b * stride + (c + 1) * inner; i++) {
            const normal = (reals[x + i] - mean) * rstd;
            reals[dx + i] = weight * rstd * (reals[g + i] - sum / (B * inner) - (normal * dot) / (B * inner));
          }
        }
      }
    },
  };
  return kernels;
}

/** Mean and population variance of outer × inner numbers, in two passes. */
function moments(outer: number, inner: number, value: (o: number, i: number) => number): { mean: number; variance: number } {
  let sum = 0;
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) sum += value(o, i);
  const mean = sum / (outer * inner);
  let squares = 0;
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) squares += (value(o, i) - mean) ** 2;
  return { mean, variance: squares / (outer * inner) };
}
