import type { Tensor } from "@heed/tensor";

/** One graph whose nodes have features and, some of them, a class. */
export interface NodeGraph {
  readonly nodeCount: number;
  /** int32 `[2, edgeCount]`: row 0 sources, row 1 targets, ordered by target. */
  readonly edgeIndex: Tensor;
  /** Features in compressed rows, `[nodeCount, width]`: what `SparseMatrix.fromRows` of `@heed/graph-attention` takes. */
  readonly features: {
    readonly shape: readonly [rows: number, columns: number];
    readonly offsets: Int32Array;
    readonly columns: Int32Array;
    readonly values: Tensor;
  };
  /** Class of each node; −1 where there is none. */
  readonly labels: Int32Array;
  readonly classCount: number;
  readonly classNames?: readonly string[];
  /** Numbers of the nodes to learn from, to stop by, and to judge by. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  readonly test: Int32Array;
}
