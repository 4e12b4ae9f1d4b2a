import type { Views } from "../memory/views.ts";
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
  };
  return kernels;
}
