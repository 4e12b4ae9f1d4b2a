import type { MaskForm } from "@heed/tensor/terms";
import type { Blocks, Sizes } from "../streaming/plan.ts";

/** What the forward kernel will do: scores computed (also of closed pairs beside open ones), tiles of keys packed, and tiles there would be without a mask. */
export interface Prediction {
  readonly cells: number;
  readonly tiles: number;
  readonly tilesWithoutMask: number;
}

/** Rows of a strip and columns of a panel, by build; the plain loops have neither. */
export interface Grain {
  readonly rows: number;
  readonly columns: number;
}

/**
 * Walks through the tiles as the kernel's WebAssembly does, without computing. Where a sequence ends is given per sample.
 * @param lengths of queries and keys of a sample
 */
export function predict(
  cut: Sizes & Blocks,
  mask: MaskForm | undefined,
  grain: Grain,
  lengths: (b: number) => { L: number; S: number },
): Prediction {
  let [cells, tiles, tilesWithoutMask] = [0, 0, 0];
  for (let b = 0; b < cut.B; b++) {
    const { L, S } = lengths(b);
    for (let h = 0; h < cut.H; h++) {
      const rows = new Rows(mask, cut, b, h);
      for (let first = 0; first < L; first += cut.blockRows) {
        const last = Math.min(first + cut.blockRows, L);
        tilesWithoutMask += Math.ceil(S / columnsOf(S, cut.tileColumns));
        const [low, end] = rows.hull(first, last, 0, S);
        const start = Math.floor(low / rows.unit) * rows.unit;
        if (end <= start) continue;
        const columns = columnsOf(end - start, cut.tileColumns);
        for (let tile = start; tile < end; tile += columns) {
          const tileEnd = Math.min(tile + columns, end);
          let found = 0;
          for (let row = first; row < last; row += grain.rows) {
            const bottom = Math.min(row + grain.rows, last);
            for (const [from, to] of rows.runs(row, bottom, tile, tileEnd)) {
              const left = tile + Math.floor((from - tile) / grain.columns) * grain.columns;
              found += (bottom - row) * Math.ceil((to - left) / grain.columns) * grain.columns;
            }
          }
          cells += found;
          if (found > 0) tiles++;
        }
      }
    }
  }
  return { cells, tiles, tilesWithoutMask };
}

/** Columns of equal tiles. */
function columnsOf(width: number, most: number): number {
  return Math.ceil(Math.ceil(width / Math.ceil(width / most)) / 16) * 16;
}

type Range = readonly [low: number, high: number];

/** What rows of a sample and head may see. */
class Rows {
  /** What the first column of a block is rounded down to. */
  readonly unit: number;
  readonly #mask: MaskForm | undefined;
  readonly #start: number;
  readonly #across: number;

  constructor(mask: MaskForm | undefined, { L, S }: Sizes, b: number, h: number) {
    this.#mask = mask;
    this.unit = mask?.form === "tiles" ? 64 : 8;
    this.#across = Math.ceil(S / 64);
    const each = mask?.form === "ranges" ? L * mask.ranges * 2 : Math.ceil(L / 64) * this.#across;
    this.#start = mask === undefined ? 0 : ((mask.batches > 1 ? b : 0) * mask.heads + (mask.heads > 1 ? h : 0)) * each;
  }

  /** The smallest range that holds all that the rows see of [from, to). */
  hull(first: number, last: number, from: number, to: number): Range {
    let [low, high] = [Infinity, -1];
    for (const [left, right] of this.runs(first, last, from, to)) [low, high] = [Math.min(low, left), Math.max(high, right)];
    return [low, high];
  }

  /** Runs of columns of [from, to) that are computed for the rows. */
  runs(first: number, last: number, from: number, to: number): Range[] {
    const mask = this.#mask;
    if (mask === undefined) return [[from, to]];
    if (mask.form === "ranges") {
      let [low, high] = [Infinity, -1];
      for (let at = this.#start + first * mask.ranges * 2; at < this.#start + last * mask.ranges * 2; at += 2) {
        const [left, right] = [Math.max(mask.bounds[at], from), Math.min(mask.bounds[at + 1], to)];
        if (left < right) [low, high] = [Math.min(low, left), Math.max(high, right)];
      }
      return high < 0 ? [] : [[low, high]];
    }
    const runs: [number, number][] = [];
    for (let column = from; column < to; column = (Math.floor(column / 64) + 1) * 64) {
      let open = false;
      for (let row = Math.floor(first / 64); row * 64 < last; row++)
        open ||= mask.verdicts[this.#start + row * this.#across + Math.floor(column / 64)] !== 0;
      if (!open) continue;
      const end = Math.min((Math.floor(column / 64) + 1) * 64, to);
      if (runs.at(-1)?.[1] === column) runs.at(-1)![1] = end;
      else runs.push([column, end]);
    }
    return runs;
  }
}
