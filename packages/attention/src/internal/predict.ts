import type { MaskForm } from "@heed/tensor/terms";
import { heldRows, type Blocks, type Sizes } from "../streaming/plan.ts";

/**
 * What the forward kernel will do: scores computed (also of closed pairs beside open ones), tiles of keys packed, and tiles there would be
 * without a mask.
 */
export interface Prediction {
  readonly cells: number;
  readonly tiles: number;
  readonly tilesWithoutMask: number;
}

/** What the backward kernel will do: scores computed, in all, and pairs over which gradients of keys and values are summed. */
export interface BackwardPrediction {
  readonly cells: number;
  readonly pairs: number;
}

/** Rows of a strip and columns of a panel, by build; the plain loops have neither. */
export interface Grain {
  readonly rows: number;
  readonly columns: number;
}

type Lengths = (b: number) => { readonly L: number; readonly S: number };

/**
 * Walks through the tiles as the kernel's WebAssembly does, without computing. Where a sequence ends is given per sample. Rows that are too
 * long to be held count as if they were: how often the search for their thresholds computes them again depends on the scores.
 * @param lengths of queries and keys of a sample
 */
export function predict(cut: Sizes & Blocks, mask: MaskForm | undefined, grain: Grain, lengths: Lengths): Prediction {
  return overHeads(cut, mask, lengths, { cells: 0, tiles: 0, tilesWithoutMask: 0 }, (rows, { L, S }) => {
    let [cells, tiles, tilesWithoutMask] = [0, 0, 0];
    for (let first = 0; first < L; first += cut.blockRows) {
      const last = Math.min(first + cut.blockRows, L);
      tilesWithoutMask += Math.ceil(S / columnsOf(S, cut.tileColumns)) * Math.ceil((last - first) / together(last - first, S, cut, grain));
      const [low, end] = rows.hull(first, last, 0, S);
      const start = Math.floor(low / rows.unit) * rows.unit;
      if (end <= start) continue;
      const columns = columnsOf(end - start, cut.tileColumns);
      const held = together(last - first, end - start, cut, grain);
      for (let top = first; top < last; top += held) {
        for (let tile = start; tile < end; tile += columns) {
          const tileEnd = Math.min(tile + columns, end);
          let found = 0;
          for (let row = top; row < Math.min(top + held, last); row += grain.rows) {
            const bottom = Math.min(row + grain.rows, top + held, last);
            for (const run of rows.runs(row, bottom, tile, tileEnd)) found += (bottom - row) * widthOf(run, tile, grain);
          }
          cells += found;
          if (found > 0) tiles++;
        }
      }
    }
    return { cells, tiles, tilesWithoutMask };
  });
}

/** The same for the backward kernel. */
export function predictBackward(cut: Sizes & Blocks, mask: MaskForm | undefined, grain: Grain, lengths: Lengths): BackwardPrediction {
  return overHeads(cut, mask, lengths, { cells: 0, pairs: 0 }, (rows, { L, S }) => {
    let [cells, pairs] = [0, 0];
    for (let tile = 0; tile < S; tile += cut.gradientColumns) {
      const tileEnd = Math.min(tile + cut.gradientColumns, S);
      for (let first = 0; first < L; first += cut.gradientRows) {
        const last = Math.min(first + cut.gradientRows, L);
        const [low, high] = rows.hull(first, last, tile, tileEnd);
        if (low >= high) continue;
        // Of each strip: the columns from its first to its last.
        const spans: Range[] = [];
        for (let row = first; row < last; row += grain.rows) {
          const bottom = Math.min(row + grain.rows, last);
          let span: Range = [tileEnd, tile];
          for (const run of rows.runs(row, bottom, tile, tileEnd)) {
            cells += (bottom - row) * widthOf(run, tile, grain);
            span = [Math.min(span[0], startOf(run, tile, grain)), run[1]];
          }
          spans.push(span);
        }
        if (spans.every(([from, to]) => from === tile && to === tileEnd)) pairs += (last - first) * (tileEnd - tile);
        else pairs += summed(spans, [tile, tileEnd], last - first, grain);
      }
    }
    return { cells, pairs };
  });
}

/** For a few keys at a time, as many as a strip has rows: the rows from the first to the last strip that sees one of them. */
function summed(spans: readonly Range[], [tile, tileEnd]: Range, rows: number, grain: Grain): number {
  let pairs = 0;
  for (let key = tile; key < tileEnd; key += grain.rows) {
    const end = Math.min(key + grain.rows, tileEnd);
    const sees = ([from, to]: Range) => from < end && to > key;
    const first = spans.findIndex(sees);
    if (first < 0) continue;
    const behind = spans.length - [...spans].reverse().findIndex(sees);
    pairs += (end - key) * (Math.min(behind * grain.rows, rows) - first * grain.rows);
  }
  return pairs;
}

/** Sums over samples and heads; those that share mask and lengths are gone through once. */
function overHeads<T extends Readonly<Record<string, number>>>(
  cut: Sizes & Blocks,
  mask: MaskForm | undefined,
  lengths: Lengths,
  none: T,
  ofHead: (rows: Rows, lengths: ReturnType<Lengths>) => T,
): T {
  const total: Record<string, number> = { ...none };
  const found = new Map<string, T>();
  for (let b = 0; b < cut.B; b++) {
    for (let h = 0; h < cut.H; h++) {
      const own = lengths(b);
      const of = [own.L, own.S, (mask?.batches ?? 1) > 1 ? b : 0, (mask?.heads ?? 1) > 1 ? h : 0].join();
      if (!found.has(of)) found.set(of, ofHead(new Rows(mask, cut, b, h), own));
      for (const [name, n] of Object.entries(found.get(of)!)) total[name] += n;
    }
  }
  return total as T;
}

/** How many rows of a block are worked on together: all, or those whose scores are held. */
function together(rows: number, columns: number, { heldBytes }: Blocks, grain: Grain): number {
  return heldBytes === 0 ? rows : heldRows(rows, columns, heldBytes, grain.rows) || rows;
}

/** Where a run's columns are computed from: the beginning of a panel of its tile. */
function startOf([from]: Range, tile: number, { columns }: Grain): number {
  return tile + Math.floor((from - tile) / columns) * columns;
}

function widthOf(run: Range, tile: number, grain: Grain): number {
  return Math.ceil((run[1] - startOf(run, tile, grain)) / grain.columns) * grain.columns;
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
