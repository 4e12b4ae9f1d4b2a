import type { ExpressionForm, MaskForm, TermContext } from "@heed/tensor/terms";
import type { RowRanges } from "./row-ranges.ts";
import { solve, type Solution } from "./solve.ts";

/** Samples and heads of a mask: 1 where it is the same for all. */
export interface Extent {
  readonly batches: number;
  readonly heads: number;
}

/** Rows that are solved together. */
const BLOCK = 4096;
/** Rows and columns of the tiles that kernels read. */
export const TILE = 64;
export const BYTES_PER_TILE = 512;

/** At most two ranges per row, or tiles made of more of them; undefined where the expression cannot be solved for j. */
export function lowerBySolving(
  form: ExpressionForm,
  tables: readonly Float64Array[],
  context: TermContext,
  extent: Extent,
): MaskForm | undefined {
  const solver = solve(form, tables);
  if (solver === undefined) return undefined;
  const { queryOffset, S } = context;
  const solutionOf = (b: number, h: number) => solver(b, h, typeof queryOffset === "number" ? queryOffset : queryOffset[b], S);
  return ranges(solutionOf, context, extent) ?? tiles(solutionOf, context, extent);
}

type SolutionOf = (b: number, h: number) => Solution;

/** undefined where rows have more than two. */
function ranges(solutionOf: SolutionOf, { L }: TermContext, { batches, heads }: Extent): MaskForm | undefined {
  const rows = batches * heads * L;
  let bounds = new Int32Array(2 * rows);
  let most: 1 | 2 = 1;
  for (let group = 0; group < batches * heads; group++) {
    const solution = solutionOf(Math.floor(group / heads), group % heads);
    for (let first = 0; first < L; first += BLOCK) {
      const found = solution.rows(first, Math.min(BLOCK, L - first));
      if (found === undefined || found.most > 2) return undefined;
      if (found.most > most) {
        const wider = new Int32Array(4 * rows);
        spread(bounds.subarray(0, 2 * (group * L + first)), wider, 0);
        [bounds, most] = [wider, 2];
      }
      const start = (group * L + first) * 2 * most;
      if (found.most === most) bounds.set(found.bounds, start);
      else spread(found.bounds, bounds, start);
    }
  }
  return { form: "ranges", batches, heads, ranges: most, bounds };
}

/** One range per row to where there is room for two. */
function spread(from: Int32Array, to: Int32Array, start: number): void {
  for (let at = 0; at < from.length; at += 2) {
    to[start + 2 * at] = from[at];
    to[start + 2 * at + 1] = from[at + 1];
  }
}

function tiles(solutionOf: SolutionOf, { L, S }: TermContext, { batches, heads }: Extent): MaskForm | undefined {
  const [down, across] = [Math.ceil(L / TILE), Math.ceil(S / TILE)];
  const verdicts = new Uint8Array(batches * heads * down * across);
  const bitsAt = new Int32Array(verdicts.length).fill(-1);
  let bits = new Uint8Array(BYTES_PER_TILE);
  let [used, start] = [0, 0];
  const open = new Int32Array(across);
  for (let group = 0; group < batches * heads; group++) {
    const solution = solutionOf(Math.floor(group / heads), group % heads);
    for (let first = 0; first < L; first += TILE, start += across) {
      const found = solution.rows(first, Math.min(TILE, L - first));
      if (found === undefined) return undefined;
      open.fill(0);
      overTiles(found, (column, _, low, high) => (open[column] += high - low));
      for (let column = 0; column < across; column++) {
        const all = found.rows * Math.min(TILE, S - column * TILE);
        verdicts[start + column] = open[column] === 0 ? 0 : open[column] === all ? 1 : 2;
        if (verdicts[start + column] !== 2) continue;
        bitsAt[start + column] = used;
        used += BYTES_PER_TILE;
      }
      if (used > bits.length) {
        const larger = new Uint8Array(Math.max(used, 2 * bits.length));
        larger.set(bits);
        bits = larger;
      }
      overTiles(found, (column, row, low, high) => {
        if (bitsAt[start + column] < 0) return;
        const from = bitsAt[start + column] + (row * TILE) / 8;
        for (let bit = low; bit < high; bit++) bits[from + (bit >> 3)] |= 1 << (bit & 7);
      });
    }
  }
  return { form: "tiles", batches, heads, rows: TILE, columns: TILE, verdicts, bitsAt, bits: bits.slice(0, used) };
}

/** Calls `body` for each part of a range that lies in one column of tiles, counted from the tile's first key. */
function overTiles({ rows, most, bounds }: RowRanges, body: (column: number, row: number, low: number, high: number) => void): void {
  for (let row = 0; row < rows; row++) {
    for (let at = row * most * 2; at < (row + 1) * most * 2; at += 2) {
      for (let low = bounds[at]; low < bounds[at + 1];) {
        const column = Math.floor(low / TILE);
        const high = Math.min(bounds[at + 1], (column + 1) * TILE);
        body(column, row, low - column * TILE, high - column * TILE);
        low = high;
      }
    }
  }
}
