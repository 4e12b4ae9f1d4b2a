import { workersTakingPart } from "../threads/pool.ts";
import { FLAT_ROWS, WIDEST_TILE } from "./blocking.ts";

/** Rows `row … row + rows − 1` and columns `column … column + columns − 1` of a product. */
export interface Block {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Operations below which a block is not worth a task of its own: some 40 µs. */
const LEAST = 2e6;
/** Elements of C above which a block is halved while there are blocks to gain; and the fewest along each axis. */
const AREA = 49_152;
const SIDE = 64;
/** Blocks per thread that are wanted even if packing for small ones costs a little, and the most blocks that there are. */
const [WANTED, MOST] = [2, 64];
/** The fewest rows of a block whose columns are not cut. */
const STRIP = 40;
/** Borders between rows lie at multiples of this: of the rows of a tile (of the plain build, 4, only nearly). */
const ROWS = 6;

export interface CutOptions {
  /** For how many; by default those that take part. */
  readonly threads?: number;
  /**
   * Cut between rows first, down to few: where B need not be packed again for each block, and C is read once more, as activations do. (Two threads
   * with 197 rows of 768 columns over 192 and GELU: 610 µs by rows, 640 by halves of rows.)
   */
  readonly byRows?: boolean;
}

/**
 * Cuts a product of m × n over k into blocks that can be computed apart, for `threads` of them. Where each gets several, large ones come first:
 * who takes the last one then lets the others wait for a small one only.
 *
 * Each element of C has the same bits however the product is cut: tiles add up in the order of k, and blocks are never so few rows
 * or columns that they would become dot products when the whole does not.
 */
export function cutProduct(
  m: number,
  n: number,
  k: number,
  { threads = 1 + workersTakingPart(), byRows = false }: CutOptions = {},
): Block[] {
  let [down, across] = [1, 1];
  while (down * across < MOST) {
    const [rows, columns] = [m / down, n / across];
    if (2 * rows * columns * k < 2 * LEAST || (rows * columns <= AREA && down * across >= WANTED * threads)) break;
    if ((byRows && rows >= 2 * STRIP) || (rows >= columns && rows >= 2 * SIDE)) down *= 2;
    else if (columns >= 2 * SIDE) across *= 2;
    else if (rows >= 2 * SIDE) down *= 2;
    else break;
  }
  const falls = down * across >= 2 * threads;
  const rows = borders(m, down, ROWS, falls);
  // Those between columns: of the columns of a tile, or of a flat one.
  const columns = borders(n, across, m > FLAT_ROWS ? WIDEST_TILE : 4 * WIDEST_TILE, falls && down === 1);
  return rows
    .slice(1)
    .flatMap((bottom, i) =>
      columns.slice(1).map((right, j) => ({ row: rows[i], rows: bottom - rows[i], column: columns[j], columns: right - columns[j] })),
    );
}

/**
 * `0 … length` in parts, at multiples of `unit`: even ones, or where `falls` and they are long enough, the first half of them three
 * times as long as the second.
 */
function borders(length: number, parts: number, unit: number, falls: boolean): number[] {
  const middle = falls && length >= 2 * SIDE * parts ? parts >> 1 : 0;
  const share = (part: number): number =>
    part <= middle ? (0.75 * part) / Math.max(middle, 1) : middle === 0 ? part / parts : 0.75 + (0.25 * (part - middle)) / (parts - middle);
  return Array.from({ length: parts + 1 }, (_, i) => (i === parts ? length : Math.round((share(i) * length) / unit) * unit));
}
