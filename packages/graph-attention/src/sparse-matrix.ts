import { DTypeError, HeedError, keep, reshape, ShapeError, tensor, Tensor, unsqueeze } from "@heed/tensor";
import { weightedSum } from "./internal/edge-operations.ts";
import { Incidence } from "./internal/incidence.ts";

/** Parts of a matrix in compressed rows: row i has the entries `offsets[i] … offsets[i + 1] − 1`. */
export interface CompressedRows {
  readonly shape: readonly [rows: number, columns: number];
  /** `[rows + 1]` */
  readonly offsets: ArrayLike<number>;
  /** `[entries]` */
  readonly columns: ArrayLike<number>;
  /** `[entries]`, or 1 everywhere when left out. */
  readonly values?: Tensor;
}

/**
 * A matrix of mostly zeros, such as bags of words, by its rows: of each entry its column, and its value from `values` `[entries]`. Immutable;
 * gradients reach its values. Time and memory O(rows + entries) to make; from a dense one, O(rows · columns).
 * @see SciPy's `csr_array`
 */
export class SparseMatrix {
  readonly shape: readonly [rows: number, columns: number];
  /** `[entries]`, in the order of rows. */
  readonly values: Tensor;
  /** @internal */
  readonly incidence: Incidence;

  /** @internal Use `SparseMatrix.fromRows`. */
  constructor(shape: readonly [number, number], values: Tensor, incidence: Incidence) {
    this.shape = shape;
    this.values = values;
    this.incidence = incidence;
  }

  /** @throws {ShapeError} or {HeedError} naming the first row or entry that does not fit. */
  static fromRows({ shape, offsets, columns, values }: CompressedRows): SparseMatrix {
    const [rows, width] = shape;
    const count = columns.length;
    if (offsets.length !== rows + 1 || offsets[0] !== 0 || offsets[rows] !== count) {
      const got = { rows, offsets: offsets.length, first: offsets[0], last: offsets[offsets.length - 1], entries: count };
      throw new ShapeError("SparseMatrix", "offsets must be [rows + 1], from 0 to the number of entries", got);
    }
    const rowOf = new Int32Array(count);
    for (let i = 0; i < rows; i++) {
      if (!(offsets[i + 1] >= offsets[i])) {
        throw new HeedError("SparseMatrix", "offsets must not fall", { row: i, from: offsets[i], to: offsets[i + 1] });
      }
      rowOf.fill(i, offsets[i], offsets[i + 1]);
    }
    for (let k = 0; k < count; k++) {
      if (!(Number.isInteger(columns[k]) && columns[k] >= 0 && columns[k] < width)) {
        throw new HeedError("SparseMatrix", `entry ${k} lies in no column of 0 … ${width - 1}`, { column: columns[k], row: rowOf[k] });
      }
    }
    if (values !== undefined) requireValues(values, count);
    const ones = () => keep(tensor(new Float32Array(count).fill(1)));
    return new SparseMatrix([rows, width], values ?? ones(), new Incidence(rowOf, Int32Array.from(columns), rows, width));
  }

  /** What is not 0 of a matrix `[rows, columns]`. */
  static fromDense(x: Tensor): SparseMatrix {
    if (x.rank !== 2) throw new ShapeError("SparseMatrix", "x must be [rows, columns]", { x: x.shape });
    const [rows, width] = x.shape;
    const all = x.toTypedArray();
    const offsets = [0];
    const [columns, values]: [number[], number[]] = [[], []];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < width; j++) {
        if (Number(all[i * width + j]) === 0) continue;
        columns.push(j);
        values.push(Number(all[i * width + j]));
      }
      offsets.push(columns.length);
    }
    return SparseMatrix.fromRows({ shape: [rows, width], offsets, columns, values: tensor(values, { dtype: x.dtype }) });
  }

  get entryCount(): number {
    return this.incidence.edgeCount;
  }

  /** The same places with other values `[entries]`: scaled, normalised, dropped. */
  withValues(values: Tensor): SparseMatrix {
    requireValues(values, this.entryCount);
    return new SparseMatrix(this.shape, values, this.incidence);
  }
}

function requireValues(values: Tensor, count: number): void {
  if (values.rank !== 1 || values.shape[0] !== count) {
    throw new ShapeError("SparseMatrix", "values must be [entries]", { values: values.shape, entries: count });
  }
  if (values.dtype !== "float32" && values.dtype !== "float64") {
    throw new DTypeError("SparseMatrix", "values must be float32 or float64", { values: values.dtype });
  }
}

/**
 * The product of a sparse matrix `[n, k]` and a dense one `[k, m]`: `[n, m]`. Gradients reach the dense matrix and the sparse one's values.
 * @throws {ShapeError} when they do not fit; {DTypeError} when dtypes differ.
 *
 * Time O(entries · m).
 * @see PyTorch's `torch.sparse.mm`
 */
export function sparseMatmul(a: SparseMatrix, b: Tensor): Tensor {
  if (!(b instanceof Tensor) || b.rank !== 2 || b.shape[0] !== a.shape[1]) {
    throw new ShapeError("sparseMatmul", "the dense matrix must be [k, m], k the columns of the sparse one", {
      sparse: a.shape,
      dense: b instanceof Tensor ? b.shape : typeof b,
    });
  }
  if (a.values.dtype !== b.dtype) throw new DTypeError("sparseMatmul", "dtypes must agree", { sparse: a.values.dtype, dense: b.dtype });
  const product = weightedSum(unsqueeze(b, 1), unsqueeze(a.values, 1), a.incidence);
  return reshape(product, [a.shape[0], b.shape[1]]);
}
