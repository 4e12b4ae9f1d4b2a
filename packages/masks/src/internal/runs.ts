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
  /** No row has more than one range. */
  isNarrow = true;
  #size = 0;

  clear(): void {
    this.rows = 0;
    this.isNarrow = true;
    this.#size = 0;
  }

  /** Adds a range to the row that is being made; an empty one is nothing, one that touches the last range makes that longer. */
  push(low: number, high: number): void {
    if (low >= high) return;
    const size = this.#size;
    if (size > this.ends[this.rows]) {
      if (low <= this.bounds[size - 1]) {
        if (high > this.bounds[size - 1]) this.bounds[size - 1] = high;
        return;
      }
      this.isNarrow = false;
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

  /** Rows of at most one range: `[low, high)` of the first, and of each next one further by `lowStep` and `highStep`; what lies outside `[0, S)` is cut off. */
  ramp(count: number, low: number, lowStep: number, high: number, highStep: number, S: number): void {
    this.#reserve(count);
    const { bounds, ends } = this;
    let size = this.#size;
    for (let row = this.rows + 1; row <= this.rows + count; row++, low += lowStep, high += highStep) {
      const from = low > 0 ? low : 0;
      const to = high < S ? high : S;
      if (from < to) {
        bounds[size] = from;
        bounds[size + 1] = to;
        size += 2;
      }
      ends[row] = size;
    }
    this.rows += count;
    this.#size = size;
  }

  /** For each row what the same row of both has in common, where both are narrow. */
  meet(a: Runs, b: Runs): void {
    this.#reserve(a.rows);
    const { bounds, ends, rows } = this;
    const [endsOfA, endsOfB, ofA, ofB] = [a.ends, b.ends, a.bounds, b.bounds];
    let [size, i, k] = [this.#size, 0, 0];
    for (let r = 1; r <= a.rows; r++) {
      const nextOfA = endsOfA[r];
      const nextOfB = endsOfB[r];
      if (i < nextOfA && k < nextOfB) {
        const low = ofA[i] > ofB[k] ? ofA[i] : ofB[k];
        const high = ofA[i + 1] < ofB[k + 1] ? ofA[i + 1] : ofB[k + 1];
        if (low < high) {
          bounds[size] = low;
          bounds[size + 1] = high;
          size += 2;
        }
      }
      i = nextOfA;
      k = nextOfB;
      ends[rows + r] = size;
    }
    this.rows += a.rows;
    this.#size = size;
  }

  /** Makes room for so many more rows of one range. */
  #reserve(rows: number): void {
    while (this.#size + 2 * rows > this.bounds.length) this.bounds = grown(this.bounds);
    while (this.rows + rows >= this.ends.length) this.ends = grown(this.ends);
  }
}

function grown(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(2 * from.length);
  to.set(from);
  return to;
}
