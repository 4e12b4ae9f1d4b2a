/** Ranges of columns `[low, high)` for each of some rows: `most` pairs a row, those that are not empty first, ascending, with gaps between them. */
export class RowRanges {
  readonly rows: number;
  readonly most: number;
  readonly bounds: Int32Array;

  constructor(rows: number, most: number, bounds = new Int32Array(rows * most * 2)) {
    this.rows = rows;
    this.most = most;
    this.bounds = bounds;
  }

  /** The same ranges, ascending and with gaps, in each row. */
  static same(rows: number, list: readonly number[]): RowRanges {
    const made = new RowRanges(rows, Math.max(list.length / 2, 1));
    for (let row = 0; row < rows; row++) for (let k = 0; k < list.length; k++) made.bounds[row * list.length + k] = list[k];
    return made;
  }

  and(other: RowRanges): RowRanges {
    const { rows, bounds: a } = this;
    const b = other.bounds;
    if (this.most === 1 && other.most === 1) {
      const both = new RowRanges(rows, 1);
      const to = both.bounds;
      for (let at = 0; at < a.length; at += 2) {
        const low = a[at] > b[at] ? a[at] : b[at];
        const high = a[at + 1] < b[at + 1] ? a[at + 1] : b[at + 1];
        if (low >= high) continue;
        to[at] = low;
        to[at + 1] = high;
      }
      return both;
    }
    const both = new RowRanges(rows, this.most + other.most - 1);
    for (let row = 0; row < rows; row++) {
      let p = row * this.most * 2;
      let q = row * other.most * 2;
      let to = row * both.most * 2;
      const pEnd = p + this.most * 2;
      const qEnd = q + other.most * 2;
      while (p < pEnd && q < qEnd && a[p] < a[p + 1] && b[q] < b[q + 1]) {
        const high = Math.min(a[p + 1], b[q + 1]);
        if (both.put(to, Math.max(a[p], b[q]), high)) to += 2;
        if (a[p + 1] === high) p += 2;
        else q += 2;
      }
    }
    return both.trimmed();
  }

  /** What is in none of them, of `[0, columns)`. */
  not(columns: number): RowRanges {
    const rest = new RowRanges(this.rows, this.most + 1);
    for (let row = 0; row < this.rows; row++) {
      let from = 0;
      let to = row * rest.most * 2;
      for (let at = row * this.most * 2; at < (row + 1) * this.most * 2 && this.bounds[at] < this.bounds[at + 1]; at += 2) {
        if (rest.put(to, from, this.bounds[at])) to += 2;
        from = this.bounds[at + 1];
      }
      rest.put(to, from, columns);
    }
    return rest.trimmed();
  }

  or(other: RowRanges): RowRanges {
    const { rows, bounds: a } = this;
    const b = other.bounds;
    const either = new RowRanges(rows, this.most + other.most);
    for (let row = 0; row < rows; row++) {
      let p = row * this.most * 2;
      let q = row * other.most * 2;
      const pEnd = p + this.most * 2;
      const qEnd = q + other.most * 2;
      let to = row * either.most * 2;
      let low = 0;
      let high = 0;
      for (;;) {
        const hasP = p < pEnd && a[p] < a[p + 1];
        const hasQ = q < qEnd && b[q] < b[q + 1];
        if (!hasP && !hasQ) break;
        const takesP = hasP && (!hasQ || a[p] <= b[q]);
        const from = takesP ? a[p] : b[q];
        const end = takesP ? a[p + 1] : b[q + 1];
        if (takesP) p += 2;
        else q += 2;
        if (from <= high) {
          if (end > high) high = end;
          continue;
        }
        if (either.put(to, low, high)) to += 2;
        low = from;
        high = end;
      }
      either.put(to, low, high);
    }
    return either.trimmed();
  }

  /** Writes a range at an index of `bounds`, unless it is empty; says whether it did. */
  put(at: number, low: number, high: number): boolean {
    if (low >= high) return false;
    this.bounds[at] = low;
    this.bounds[at + 1] = high;
    return true;
  }

  /** With no more room for each row than one of them needs. */
  trimmed(): RowRanges {
    const { rows, most, bounds } = this;
    let needed = 1;
    for (let row = 0; row < rows; row++) {
      while (needed < most && bounds[(row * most + needed) * 2] < bounds[(row * most + needed) * 2 + 1]) needed++;
    }
    if (needed === most) return this;
    const short = new RowRanges(rows, needed);
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < needed * 2; k++) short.bounds[row * needed * 2 + k] = bounds[row * most * 2 + k];
    }
    return short;
  }
}
