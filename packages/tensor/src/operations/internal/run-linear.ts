import {
  activeBuild,
  cutProduct,
  isShared,
  matmulKernels,
  matmulScratchBytes,
  packedColumns,
  packsColumns,
  runParallel,
  type Block,
} from "@heed/kernels";
import { arranged } from "../../core/arranged.ts";
import type { Scratch } from "../../core/compute.ts";
import { bytesPer, type RealDType } from "../../core/dtype.ts";
import { isRecording } from "../../core/tape.ts";
import type { Tensor } from "../../core/tensor.ts";

/** One product `[m, k] × [k, n]`: where its factors lie, and their strides in elements. */
export interface Factors {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: number;
  readonly rowA: number;
  readonly columnA: number;
  readonly b: number;
  readonly rowB: number;
  readonly columnB: number;
}

/** What the kernel `linear` does besides. Addresses; 0: it does not. */
export interface Finish {
  readonly bias: number;
  /** Of `activations`. */
  readonly activation: number;
  readonly before: number;
}

/** The kernel `linear` on one thread or on several. `arrangedB`: of `arrangedColumns`. */
export function runLinear(
  dtype: RealDType,
  factors: Factors,
  finish: Finish,
  to: number,
  arrangedB: number | undefined,
  scratch: Scratch,
): void {
  const { m, n, k, a, rowA, columnA, b, rowB, columnB } = factors;
  const { bias, activation, before } = finish;
  const width = bytesPer(dtype);
  const work = 2 * m * n * k;
  const call = ({ row, rows, column, columns }: Block, space: number) => {
    const toC = (row * n + column) * width;
    const [fromA, fromB, fromBias] = [a + row * rowA * width, b + column * columnB * width, bias && bias + column * width];
    // One array, and no parts spread into it: a thread that collects garbage keeps the others waiting.
    return [
      rows,
      columns,
      k,
      fromA,
      rowA,
      columnA,
      fromB,
      rowB,
      columnB,
      fromBias,
      to + toC,
      n,
      activation,
      before && before + toC,
      space,
      arrangedB ?? 0,
      column,
      packedColumns(n),
    ] as const;
  };
  const bytesFor = ({ rows, columns }: Block) => matmulScratchBytes(rows, columns, k);
  if (!isShared(work)) {
    const whole = { row: 0, rows: m, column: 0, columns: n };
    matmulKernels.on(dtype).linear(...call(whole, scratch(bytesFor(whole))));
    return;
  }
  const blocks = cutProduct(m, n, k, { byRows: activation !== 0 && arrangedB !== undefined });
  const bytes = Math.max(...blocks.map(bytesFor));
  const calls = blocks.map((block) => call(block, 0));
  runParallel(matmulKernels, dtype, "linear", calls, { work, scratch: { argument: 14, bytes, allocate: scratch }, lingers: true });
}

/** Rows of A from which on packing B is little of the work. */
const MOST_ROWS = 1024;

/** The address of B as the kernel packs it: of all elements of a resident that no step writes, and only where it is read again and again. */
export function arrangedColumns({ storage, offset, requiresGrad }: Tensor, dtype: RealDType, factors: Factors): number | undefined {
  const { m, n, k, b, rowB, columnB } = factors;
  const build = activeBuild();
  if (!packsColumns(m, n, k, columnB) || m > MOST_ROWS || n * k !== storage.length) return undefined;
  if (dtype !== "float32" || build === "reference" || (requiresGrad && isRecording())) return undefined;
  return arranged(storage, [n, offset, rowB, columnB, build], bytesPer(dtype) * k * packedColumns(n), (to) => {
    matmulKernels.on(dtype).packColumns(n, k, b, rowB, columnB, to);
  });
}
