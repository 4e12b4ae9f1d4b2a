import type { Views } from "../memory/views.ts";
import { geluErf, geluTanh } from "../unary/gelu.ts";
import { activations } from "./activations.ts";
import type { MatmulKernels } from "./matmul.ts";

/** Matrix products in plain loops: the definition. Sums are kept in double precision and rounded once. */
export function reference(views: Views): MatmulKernels {
  const kernels: MatmulKernels = {
    gemm(m, n, k, a, rowStrideA, columnStrideA, b, rowStrideB, columnStrideB, c, rowStrideC, accumulate) {
      const data = views.real();
      const [aStart, bStart, cStart] = [a >>> views.shift, b >>> views.shift, c >>> views.shift];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const out = cStart + i * rowStrideC + j;
          let sum = accumulate ? data[out] : 0;
          for (let p = 0; p < k; p++) {
            sum += data[aStart + i * rowStrideA + p * columnStrideA] * data[bStart + p * rowStrideB + j * columnStrideB];
          }
          data[out] = sum;
        }
      }
    },
    gemmBatched(
      batch,
      batchStrideA,
      batchStrideB,
      batchStrideC,
      m,
      n,
      k,
      a,
      rowStrideA,
      columnStrideA,
      b,
      rowStrideB,
      columnStrideB,
      c,
      rowStrideC,
      accumulate,
      scratch,
    ) {
      const bytes = 1 << views.shift;
      for (let index = 0; index < batch; index++) {
        kernels.gemm(
          m,
          n,
          k,
          a + index * batchStrideA * bytes,
          rowStrideA,
          columnStrideA,
          b + index * batchStrideB * bytes,
          rowStrideB,
          columnStrideB,
          c + index * batchStrideC * bytes,
          rowStrideC,
          accumulate,
          scratch,
        );
      }
    },
    linear(m, n, k, a, rowStrideA, columnStrideA, b, rowStrideB, columnStrideB, bias, c, rowStrideC, activation, before, scratch) {
      const isActive = activation !== activations.none;
      const target = isActive && before !== 0 ? before : c;
      const data = views.real();
      const [from, to, biasStart] = [target >>> views.shift, c >>> views.shift, bias >>> views.shift];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) data[from + i * rowStrideC + j] = bias === 0 ? 0 : data[biasStart + j];
      }
      kernels.gemm(m, n, k, a, rowStrideA, columnStrideA, b, rowStrideB, columnStrideB, target, rowStrideC, 1, scratch);
      if (!isActive) return;
      const gelu = activation === activations.gelu ? geluErf : geluTanh;
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) data[to + i * rowStrideC + j] = gelu(data[from + i * rowStrideC + j]);
      }
    },
    packColumns() {}, // Nothing is gained here: `linear` reads b.
  };
  return kernels;
}
