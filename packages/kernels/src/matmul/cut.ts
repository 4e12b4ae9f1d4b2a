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
const AREA = 128 * 256;
const SIDE = 64;
/** Blocks that are wanted even if packing for small ones costs a little, and the most that there are. */
const [WANTED, MOST] = [4, 64];
/** Borders lie at multiples of these: of the rows of a tile in every build, and of the columns of a flat one. */
const [ROWS, COLUMNS] = [12, 64];

/**
 * Cuts a product of m × n over k into blocks that can be computed apart, by shape alone.
 *
 * Each element of C has the same bits however the product is cut: tiles add up in the order of k, and blocks are never so few rows
 * or columns that they would become dot products when the whole does not.
 */
export function cutProduct(m: number, n: number, k: number): Block[] {
  let [down, across] = [1, 1];
  while (down * across < MOST) {
    const [rows, columns] = [m / down, n / across];
    if (2 * rows * columns * k < 2 * LEAST || (rows * columns <= AREA && down * across >= WANTED)) break;
    if (rows >= columns && rows >= 2 * SIDE) down *= 2;
    else if (columns >= 2 * SIDE) across *= 2;
    else if (rows >= 2 * SIDE) down *= 2;
    else break;
  }
  const [rows, columns] = [borders(m, down, ROWS), borders(n, across, COLUMNS)];
  return rows
    .slice(1)
    .flatMap((bottom, i) =>
      columns.slice(1).map((right, j) => ({ row: rows[i], rows: bottom - rows[i], column: columns[j], columns: right - columns[j] })),
    );
}

/** `0 … length` in even parts, at multiples of `unit`. */
function borders(length: number, parts: number, unit: number): number[] {
  return Array.from({ length: parts + 1 }, (_, i) => (i === parts ? length : Math.round((i * length) / parts / unit) * unit));
}
