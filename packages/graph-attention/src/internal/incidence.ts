import { keep, tensor, type Tensor } from "@heed/tensor";

/** Edges row by row: those of row i are `offsets[i] … offsets[i + 1] − 1`. */
export interface EdgeRows {
  readonly count: number;
  /** int32 `[count + 1]`, `[E]`, `[E]`: the other end of each edge, and its number. */
  readonly offsets: Tensor;
  readonly columns: Tensor;
  readonly slots: Tensor;
  /** The k-th edge has number k. */
  readonly inOrder: boolean;
  /** Rows `[from, to)` of about equal work, which threads may share out. */
  readonly chunks: readonly (readonly [from: number, to: number])[];
}

/** Edges, and about as much for a row, of a chunk. */
const CHUNK = 8192;

/** Which column each edge leads to from which row, in both orders. Made once, when first asked for; lives on the heap. */
export class Incidence {
  readonly rowCount: number;
  readonly columnCount: number;
  readonly edgeCount: number;
  readonly #rows: Int32Array;
  readonly #columns: Int32Array;
  #rowTensor: Tensor | undefined;
  #columnTensor: Tensor | undefined;
  #byRow: EdgeRows | undefined;
  #byColumn: EdgeRows | undefined;

  /** @param rows and @param columns of each edge, in range; kept */
  constructor(rows: Int32Array, columns: Int32Array, rowCount: number, columnCount: number) {
    this.#rows = rows;
    this.#columns = columns;
    this.rowCount = rowCount;
    this.columnCount = columnCount;
    this.edgeCount = rows.length;
  }

  /** The row of each edge, int32 `[E]`. */
  get rows(): Tensor {
    return (this.#rowTensor ??= keep(tensor(this.#rows)));
  }

  get columns(): Tensor {
    return (this.#columnTensor ??= keep(tensor(this.#columns)));
  }

  get byRow(): EdgeRows {
    return (this.#byRow ??= sorted(this.#rows, this.#columns, this.rowCount));
  }

  get byColumn(): EdgeRows {
    return (this.#byColumn ??= sorted(this.#columns, this.#rows, this.columnCount));
  }
}

function sorted(of: Int32Array, other: Int32Array, count: number): EdgeRows {
  const { offsets, edges } = groupedBy(of, count);
  const columns = edges.map((edge) => other[edge]);
  const chunks: [number, number][] = [];
  for (let from = 0; from < count;) {
    let to = from + 1;
    while (to < count && offsets[to + 1] - offsets[from] + (to + 1 - from) <= CHUNK) to++;
    chunks.push([from, to]);
    from = to;
  }
  const kept = (values: Int32Array) => keep(tensor(values));
  return {
    count,
    offsets: kept(offsets),
    columns: kept(columns),
    slots: kept(edges),
    inOrder: edges.every((edge, k) => edge === k),
    chunks,
  };
}

/** Numbers of edges by the node at one end, those of a node in order. */
export function groupedBy(ends: Int32Array, count: number): { offsets: Int32Array; edges: Int32Array } {
  const offsets = new Int32Array(count + 1);
  for (const end of ends) offsets[end + 1]++;
  for (let i = 0; i < count; i++) offsets[i + 1] += offsets[i];
  const next = offsets.slice();
  const edges = new Int32Array(ends.length);
  ends.forEach((end, edge) => (edges[next[end]++] = edge));
  return { offsets, edges };
}
