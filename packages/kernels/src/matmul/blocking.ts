import type { Build } from "../configure.ts";

/**
 * How a product is cut so that its parts stay in the caches (Goto and van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication", 2008). Measured on products of 512 and 1024: 512 steps are 1 to 3 % faster than 256, which pass over C twice as
 * often; 48 to 192 rows and 512 to 1024 columns differ by less than 2 %.
 */
export const BLOCKING = {
  /** Steps of the sum per pass: a panel of 8 columns (16 KiB) stays in the first cache. */
  steps: 512,
  /** Rows per block of A (192 KiB, second cache); a multiple of 6 and of 4. */
  rows: 96,
  /** Columns per block of B (2 MiB); a multiple of 16. */
  columns: 1024,
} as const;

/** Up to this many rows of A, or elements of B, B is read where it lies (when its rows are contiguous): it is not packed. */
export const DIRECT = { rows: 32, elements: 6144 } as const;

/** Width of a tile of C: two vectors, or two pairs of them. */
export const tileColumns = (build: Build): 8 | 16 => (build === "wide" ? 16 : 8);

export const WIDEST_TILE = 16;

/** The most rows for which flat tiles are made, four tiles wide. */
export const FLAT_ROWS = 2;

/** Room for one tile whose columns are not all wanted: at most 6 × 16 floats. */
export const TILE_BYTES = 384;

/**
 * Bytes of scratch space that the products need for these sizes, whatever the build.
 * At most 2.2 MiB: the packed blocks do not grow with the matrices.
 */
export function matmulScratchBytes(m: number, n: number, k: number): number {
  const steps = Math.min(k, BLOCKING.steps);
  const columns = packedColumns(Math.min(n, BLOCKING.columns));
  const rows = Math.min(m, BLOCKING.rows);
  return TILE_BYTES + 4 * steps * (columns + rows);
}

/** Columns that `packColumns` makes of n. */
export function packedColumns(n: number): number {
  return Math.ceil(n / WIDEST_TILE) * WIDEST_TILE;
}

/** Whether the kernels pack B of a product `[m, k] × [k, n]`, so that it pays to have `packColumns` do it once. The stride is in elements. */
export function packsColumns(m: number, n: number, k: number, columnStrideB: number): boolean {
  return m > DIRECT.rows && (columnStrideB !== 1 || n * k > DIRECT.elements);
}
