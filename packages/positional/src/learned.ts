import { embedding, normal, reshape, ShapeError, slice, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter } from "@heed/nn";

export interface LearnedOptions {
  readonly key: RandomKey;
  /** Deviation of the initial values. Default 0.02. */
  readonly deviation?: number;
}

/**
 * A learned vector per position, added to the input: `[…, L, width]` → the same, L ≤ maxLength.
 * Parameter `weight` `[maxLength, width]`.
 * @see Gehring et al. 2017; Devlin et al. 2019
 */
export class LearnedPositions extends Module {
  readonly weight: Parameter;

  constructor(maxLength: number, width: number, { key, deviation = 0.02 }: LearnedOptions) {
    super();
    this.weight = new Parameter(normal(key.split("weight"), [maxLength, width], { deviation }));
  }

  /**
   * @param positions int32, where each element stands; default 0, 1, 2 …
   * @throws {ShapeError} when L is above maxLength.
   */
  forward(x: Tensor, positions?: Tensor): Tensor {
    if (positions !== undefined) return x.add(embedding(this.weight, positions));
    const L = x.shape.at(-2) ?? 0;
    if (L > this.weight.shape[0])
      throw new ShapeError(
        "LearnedPositions",
        "the sequence is longer than the table",
        { x: x.shape, maxLength: this.weight.shape[0] },
        "Build it with a larger maxLength.",
      );
    return x.add(slice(this.weight, 0, 0, L));
  }
}

/**
 * A learned vector per row plus one per column of a grid, added to patches in row-major order: `[…, rows · columns, width]`.
 * Parameters `rowWeight` `[rows, width]`, `columnWeight` `[columns, width]`: rows + columns vectors in place of rows · columns.
 */
export class LearnedGridPositions extends Module {
  readonly rowWeight: Parameter;
  readonly columnWeight: Parameter;

  constructor(rows: number, columns: number, width: number, { key, deviation = 0.02 }: LearnedOptions) {
    super();
    this.rowWeight = new Parameter(normal(key.split("rowWeight"), [rows, width], { deviation }));
    this.columnWeight = new Parameter(normal(key.split("columnWeight"), [columns, width], { deviation }));
  }

  forward(x: Tensor): Tensor {
    const [rows, width] = this.rowWeight.shape;
    const [columns] = this.columnWeight.shape;
    if (x.shape.at(-2) !== rows * columns)
      throw new ShapeError("LearnedGridPositions", "x must hold one vector per cell of the grid", { x: x.shape, grid: [rows, columns] });
    const table = reshape(this.rowWeight, [rows, 1, width]).add(reshape(this.columnWeight, [1, columns, width]));
    return x.add(reshape(table, [rows * columns, width]));
  }
}
