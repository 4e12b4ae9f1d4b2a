import { workersTakingPart } from "../threads/pool.ts";

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
/** Borders lie at multiples of these: of the rows of a tile in every build, and of the columns of a flat one. */
const [ROWS, COLUMNS] = [12, 64];

/**
 * Cuts a product of m × n over k into blocks that can be computed apart, for `threads` of them. Where each gets several, large ones come first:
 * who takes the last one then lets the others wait for a small one only.
 *
 * Each element of C has the same bits however the product is cut: tiles add up in the order of k, and blocks are never so few rows
 * or columns that they would become dot products when the whole does not.
 */
export function cutProduct(m: number, n: number, k: number, threads: number = 1 + workersTakingPart()): Block[] {
  let [down, across] = [1, 1];
  while (down * across < MOST) {
    const [rows, columns] = [m / down, n / across];
    if (2 * rows * columns * k < 2 * LEAST || (rows * columns <= AREA && down * across >= WANTED * threads)) break;
    if (rows >= columns && rows >= 2 * SIDE) down *= 2;
    else if (columns >= 2 * SIDE) across *= 2;
    else if (rows >= 2 * SIDE) down *= 2;
    else break;
  }
  const falls = down * across >= 2 * threads;
  const rows = borders(m, down, ROWS, falls);
  const columns = borders(n, across, COLUMNS, falls && down === 1);
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
