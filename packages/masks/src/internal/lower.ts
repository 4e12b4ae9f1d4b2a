import type { MaskForm, TermContext } from "@heed/tensor/terms";
import { BLOCK, type Rows } from "./interval-mask.ts";
import { Runs } from "./runs.ts";

/** Columns of the tiles that verdicts speak of, when a row has more than two ranges; their rows are a block's. */
const COLUMNS = 64;

/** At most two ranges per row, else tiles. Steps: the ranges of all rows; for tiles, also the tiles and the bits of mixed ones. */
export function lowered(rows: Rows, context: TermContext): MaskForm {
  return ranges(rows, context, 1) ?? ranges(rows, context, 2) ?? tiles(rows, context);
}

/** `undefined` where a row has more ranges. */
function ranges(rows: Rows, { L }: TermContext, most: 1 | 2): MaskForm | undefined {
  const { batches, heads } = rows;
  const bounds = new Int32Array(batches * heads * L * 2 * most);
  const runs = new Runs();
  let at = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let first = 0; first < L; first += BLOCK) {
        runs.clear();
        rows.fill(b, h, first, Math.min(BLOCK, L - first), runs);
        // One range in every row.
        if (most === 1 && runs.isNarrow && runs.ends[runs.rows] === 2 * runs.rows) {
          for (let k = 0; k < 2 * runs.rows; k++) bounds[at++] = runs.bounds[k];
          continue;
        }
        for (let r = 0; r < runs.rows; r++, at += 2 * most) {
          const start = runs.ends[r];
          const count = runs.ends[r + 1] - start;
          if (count > 2 * most) return undefined;
          for (let k = 0; k < count; k++) bounds[at + k] = runs.bounds[start + k];
        }
      }
    }
  }
  return { form: "ranges", batches, heads, ranges: most, bounds };
}

function tiles(rows: Rows, context: TermContext): MaskForm {
  const { batches, heads } = rows;
  const across = Math.ceil(context.S / COLUMNS);
  const bytesPerTile = (BLOCK * COLUMNS) / 8;
  const bitsAt = new Int32Array(batches * heads * Math.ceil(context.L / BLOCK) * across).fill(-1);
  let bits = new Uint8Array(bytesPerTile);
  let used = 0;
  const verdicts = verdictsOf(rows, context, BLOCK, COLUMNS, (runs, all, start) => {
    for (let tile = start; tile < start + across; tile++) {
      if (all[tile] !== 2) continue;
      bitsAt[tile] = used;
      used += bytesPerTile;
    }
    if (used > bits.length) bits = grown(bits, used);
    setBits(runs, bits, bitsAt, start);
  });
  return { form: "tiles", batches, heads, rows: BLOCK, columns: COLUMNS, verdicts, bitsAt, bits: bits.slice(0, used) };
}

/**
 * 0 empty, 1 full, 2 mixed per tile of `height × width`, `[batches, heads, ⌈L / height⌉, ⌈S / width⌉]`, from the ends of ranges alone.
 * @param each told the ranges of a row of tiles, all verdicts so far, and where those of the row start
 */
export function verdictsOf(
  rows: Rows,
  { L, S }: TermContext,
  height: number,
  width: number,
  each?: (runs: Runs, verdicts: Uint8Array, start: number) => void,
): Uint8Array {
  const { batches, heads } = rows;
  const across = Math.ceil(S / width);
  const verdicts = new Uint8Array(batches * heads * Math.ceil(L / height) * across);
  const runs = new Runs();
  // Of one row of tiles: open pairs per tile, but for tiles that a range crosses from side to side, which are counted where it enters and leaves them.
  const open = new Int32Array(across + 1);
  const crossing = new Int32Array(across + 1);
  let tile = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let first = 0; first < L; first += height) {
        runs.clear();
        rows.fill(b, h, first, Math.min(height, L - first), runs);
        open.fill(0);
        crossing.fill(0);
        const end = runs.ends[runs.rows];
        for (let k = 0; k < end; k += 2) {
          const low = runs.bounds[k];
          const high = runs.bounds[k + 1];
          const from = Math.floor(low / width);
          const to = Math.floor((high - 1) / width);
          if (from === to) {
            open[from] += high - low;
            continue;
          }
          open[from] += (from + 1) * width - low;
          open[to] += high - to * width;
          crossing[from + 1]++;
          crossing[to]--;
        }
        const start = tile;
        for (let column = 0, whole = 0; column < across; column++, tile++) {
          whole += crossing[column];
          const wide = Math.min(width, S - column * width);
          const inside = open[column] + whole * wide;
          verdicts[tile] = inside === 0 ? 0 : inside === runs.rows * wide ? 1 : 2;
        }
        each?.(runs, verdicts, start);
      }
    }
  }
  return verdicts;
}

/** The bits of the mixed tiles of one block, whose first tile is `start`. */
function setBits(runs: Runs, bits: Uint8Array, bitsAt: Int32Array, start: number): void {
  for (let r = 0; r < runs.rows; r++) {
    for (let k = runs.ends[r]; k < runs.ends[r + 1]; k += 2) {
      const high = runs.bounds[k + 1];
      for (let low = runs.bounds[k], next = 0; low < high; low = next) {
        const column = Math.floor(low / COLUMNS);
        next = Math.min(high, (column + 1) * COLUMNS);
        if (bitsAt[start + column] < 0) continue;
        const row = bitsAt[start + column] + (r * COLUMNS) / 8;
        for (let bit = low - column * COLUMNS; bit < next - column * COLUMNS; bit++) bits[row + (bit >> 3)] |= 1 << (bit & 7);
      }
    }
  }
}

function grown(from: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(Math.max(bytes, 2 * from.length));
  to.set(from);
  return to;
}
