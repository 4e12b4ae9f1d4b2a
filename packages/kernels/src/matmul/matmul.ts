import { wasm } from "#wasm/matmul";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { agree } from "./agree.ts";
import { reference } from "./reference.ts";

/** Matrix products. Pointers are in bytes, strides in elements; a transposed or strided view costs nothing extra. */
export interface MatmulKernels {
  /**
   * `c[i, j] = Σ a[i, p] · b[p, j]`, or `+=` with `accumulate`, for i < m, j < n, p < k. The rows of `c` are contiguous, and `c`
   * overlaps neither operand. With k = 0 the sum is 0.
   *
   * @param accumulate 1: add to what `c` holds; 0: overwrite it, whatever it holds
   * @param scratch `matmulScratchBytes(m, n, k)` bytes, aligned to 64, of any content
   */
  gemm(
    m: number,
    n: number,
    k: number,
    a: number,
    rowStrideA: number,
    columnStrideA: number,
    b: number,
    rowStrideB: number,
    columnStrideB: number,
    c: number,
    rowStrideC: number,
    accumulate: number,
    scratch: number,
  ): void;
  /**
   * `gemm` for each of `batch` products in turn, whose operands lie `batchStride…` elements apart. A stride may be 0: of A or B
   * one matrix serves all, of C (with `accumulate`) all products add up.
   */
  gemmBatched(
    batch: number,
    batchStrideA: number,
    batchStrideB: number,
    batchStrideC: number,
    m: number,
    n: number,
    k: number,
    a: number,
    rowStrideA: number,
    columnStrideA: number,
    b: number,
    rowStrideB: number,
    columnStrideB: number,
    c: number,
    rowStrideC: number,
    accumulate: number,
    scratch: number,
  ): void;
  /**
   * A linear layer: `c[i, j] = f(Σ a[i, p] · b[p, j] + bias[j])`, operands as in `gemm`. The bits are those of `gemm` that adds to
   * copies of the bias, and then `unaryKernels`' GELU, but c is written once, and f runs while its rows are in the cache.
   *
   * @param bias n elements, or 0: none
   * @param activation of `activations`
   * @param before 0, or where what f is applied to goes (row stride as c's), for gradients; without f it is not written
   * @param packed 0, or a matrix by `packColumns`, `packedColumns` wide, whose columns from `firstColumn` on (a multiple of 16) are b's
   */
  linear(
    m: number,
    n: number,
    k: number,
    a: number,
    rowStrideA: number,
    columnStrideA: number,
    b: number,
    rowStrideB: number,
    columnStrideB: number,
    bias: number,
    c: number,
    rowStrideC: number,
    activation: number,
    before: number,
    scratch: number,
    packed?: number,
    firstColumn?: number,
    packedColumns?: number,
  ): void;
  /**
   * B, of k rows and n columns, in the order in which `linear` of the same build reads it: who multiplies by one matrix again and
   * again spares it this part of the work. The bits stay.
   * @param packed `4 · k · packedColumns(n)` bytes
   */
  packColumns(n: number, k: number, b: number, rowStrideB: number, columnStrideB: number, packed: number): void;
}

export const matmul: Family<MatmulKernels> = /* @__PURE__ */ defineFamily<MatmulKernels>("matmul", wasm, reference, agree);
