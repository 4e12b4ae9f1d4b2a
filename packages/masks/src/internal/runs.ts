/**
 * Ranges of keys `[low, high)` of neighbouring rows, in flat arrays that are used again and again: what a mask fills, a block of rows
 * at a time. Per row the ranges are ascending and disjoint, and do not touch.
 */
export class Runs {
  /** Rows so far. */
  rows = 0;
  /** Row r has the numbers `bounds[ends[r]]` up to `bounds[ends[r + 1]]`: low, high, low, high … */
  ends = new Int32Array(2);
  bounds = new Int32Array(2);
  #size = 0;

  clear(): void {
    this.rows = 0;
    this.#size = 0;
  }

  /** Adds a range to the row that is being made; an empty one is nothing, one that touches the last range makes that longer. */
  push(low: number, high: number): void {
    if (low >= high) return;
    const size = this.#size;
    if (size > this.ends[this.rows] && low <= this.bounds[size - 1]) {
      if (high > this.bounds[size - 1]) this.bounds[size - 1] = high;
      return;
    }
    if (size + 2 > this.bounds.length) this.bounds = grown(this.bounds);
    this.bounds[size] = low;
    this.bounds[size + 1] = high;
    this.#size = size + 2;
  }

  /** Ends the row that is being made. */
  endRow(): void {
    this.rows++;
    if (this.rows === this.ends.length) this.ends = grown(this.ends);
    this.ends[this.rows] = this.#size;
  }

  /** The row [low, high), or an empty one. */
  row(low: number, high: number): void {
    this.push(low, high);
    this.endRow();
  }
}

function grown(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(2 * from.length);
  to.set(from);
  return to;
}
