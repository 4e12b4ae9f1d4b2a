import { add, embedding, normal, reshape, ShapeError, slice, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter } from "@heed/nn";
import { requireCounts, requireWidth } from "./internal/require.ts";

export interface LearnedOptions {
  readonly key: RandomKey;
  /** Deviation of the initial values. Default 0.02. */
  readonly deviation?: number;
}

/**
 * A learned vector per position, added to the input: `[…, L, width]` → the same, L ≤ maxLength. Parameter `weight` `[maxLength, width]`.
 * Time O(size of x); no vector beyond maxLength. Without elements there is nothing to add.
 *
 * Letters: L length.
 * @throws {ShapeError} unless maxLength and width are whole numbers from 1 on.
 * @see Gehring et al. 2017 (arXiv:1705.03122); Devlin et al. 2019 (arXiv:1810.04805)
 */
export class LearnedPositions extends Module {
  readonly weight: Parameter;

  constructor(maxLength: number, width: number, { key, deviation = 0.02 }: LearnedOptions) {
    super();
    requireCounts("LearnedPositions", { maxLength, width });
    this.weight = new Parameter(normal(key.split("weight"), [maxLength, width], { deviation }));
  }

  /**
   * @param x `[…, L, width]`
   * @param positions int32 `[…, L]`, where each element stands, from 0 to maxLength − 1; default 0, 1, 2 …
   * @throws {ShapeError} when L is above maxLength, a position is out of range, or the width is another.
   */
  forward(x: Tensor, positions?: Tensor): Tensor {
    const [maxLength, width] = this.weight.shape;
    requireWidth("LearnedPositions", x, width);
    if (positions !== undefined) return add(x, embedding(this.weight, positions));
    const L = x.shape.at(-2)!;
    if (L > maxLength) {
      const fix = "Build it with a larger maxLength.";
      throw new ShapeError("LearnedPositions", "the sequence is longer than the table", { x: x.shape, maxLength }, fix);
    }
    return add(x, slice(this.weight, 0, 0, L));
  }
}

/**
 * A learned vector per row plus one per column of a grid, added to patches in row-major order: `[…, rows · columns, width]` → the same.
 * Parameters `rowWeight` `[rows, width]`, `columnWeight` `[columns, width]`: rows + columns vectors in place of rows · columns.
 * Time O(size of x). Every cell must be there: pictures of another size want another module.
 * @throws {ShapeError} unless the sizes are whole numbers from 1 on.
 * @see Parmar et al. 2018 (arXiv:1802.05751), §3.1
 */
export class LearnedGridPositions extends Module {
  readonly rowWeight: Parameter;
  readonly columnWeight: Parameter;

  constructor(rows: number, columns: number, width: number, { key, deviation = 0.02 }: LearnedOptions) {
    super();
    requireCounts("LearnedGridPositions", { rows, columns, width });
    this.rowWeight = new Parameter(normal(key.split("rowWeight"), [rows, width], { deviation }));
    this.columnWeight = new Parameter(normal(key.split("columnWeight"), [columns, width], { deviation }));
  }

  /** @throws {ShapeError} when x does not hold one vector of the width per cell. */
  forward(x: Tensor): Tensor {
    const [rows, width] = this.rowWeight.shape;
    const [columns] = this.columnWeight.shape;
    requireWidth("LearnedGridPositions", x, width);
    if (x.shape.at(-2) !== rows * columns) {
      throw new ShapeError(
        "LearnedGridPositions",
        "x must hold one vector per cell of the grid",
        { x: x.shape, grid: [rows, columns] },
        "Patches alone: add a class token behind.",
      );
    }
    const table = add(reshape(this.rowWeight, [rows, 1, width]), reshape(this.columnWeight, [1, columns, width]));
    return add(x, reshape(table, [rows * columns, width]));
  }
}
