import { NORMALISERS, type Job } from "./job.ts";

/** The sizes that decide how work is cut. */
export type Sizes = Pick<Job, "B" | "H" | "Hkv" | "L" | "S" | "D" | "E">;
export type Blocks = Pick<Job, "blockRows" | "tileColumns" | "gradientRows" | "gradientColumns" | "heldBytes">;

/**
 * Most query rows of a forward chunk: many, since a tile of keys is packed again for each chunk; fewer where rows are wide, or where chunks of so
 * many would be too few to share among threads. Three heads of 197 rows in six chunks instead of three cost one thread 1 %, and give two 36 %.
 */
const [BLOCK_ROWS, FEWER_BLOCK_ROWS, FEWEST_BLOCK_ROWS] = [516, 252, 132];
const [ENOUGH_CHUNKS, FEW_CHUNKS] = [16, 6];
/** Strips have 6 rows, or 4 without fused multiply-add. */
const ROW_UNIT = 12;
/** Panels are 8 columns wide, or 16. */
const COLUMN_UNIT = 16;
/** Most keys of a tile, and numbers of its packed form: enough for the queries of a block, which under a causal mask meet their keys in one tile then. */
const TILE_COLUMNS = 528;
const TILE_NUMBERS = 33_792; // 64 wide
/** Bytes from row to row of a forward strip, whatever the width of its tile: one pointer serves all rows then. The gap keeps rows from sharing sets of the cache. */
export const stripPitch = (): number => REAL * (TILE_COLUMNS + COLUMN_UNIT);
/** The same of a backward strip. */
export const gradientPitch = (): number => REAL * (GRADIENT_COLUMNS + COLUMN_UNIT);
/** Most numbers of a query (and of a cotangent) that are packed: rows of more make long sums anyway, and would take much room. */
export const MOST_PACKED = 128;
const [GRADIENT_ROWS, GRADIENT_COLUMNS, GRADIENT_NUMBERS] = [96, 192, 16_384];

/** Most bytes of scores that a thread holds, four rows of 65,536: so two threads stay below 4 MiB. And where it may hold more than a strip of rows. */
const MOST_HELD_BYTES = 4 * (4 * 65_536 + 64);
const HELD_BYTES = 384 * 1024;

/** Bytes of a held row of so many scores. */
export function heldRowBytes(columns: number): number {
  return REAL * padded(columns) + 64;
}

/** How many of `rows` rows of that width are held together: as many as whole strips of a few; 0: none, one is too long. */
export function heldRows(rows: number, columns: number, heldBytes: number, stripRows: number): number {
  const fit = Math.min(rows, Math.floor(heldBytes / heldRowBytes(columns)));
  return fit > stripRows ? fit - (fit % stripRows) : fit;
}

/**
 * How a job of these sizes is cut: by shape alone, so that equal calls give equal bits. Spread it into the job.
 * @param normaliser one of NORMALISERS
 */
export function blocksOf({ B, H, L, S, D, E }: Sizes, normaliser = 0): Blocks {
  const width = Math.max(D, E, 1);
  const isLarge = width <= MOST_PACKED && B * H * Math.ceil(L / BLOCK_ROWS) >= ENOUGH_CHUNKS;
  const areFew = B * H * Math.ceil(L / FEWER_BLOCK_ROWS) < FEW_CHUNKS;
  const blockRows = evenly(L, isLarge ? BLOCK_ROWS : areFew ? FEWEST_BLOCK_ROWS : FEWER_BLOCK_ROWS, ROW_UNIT);
  const row = heldRowBytes(S);
  return {
    blockRows,
    heldBytes: normaliser < NORMALISERS.topK ? 0 : Math.min(MOST_HELD_BYTES, Math.max(HELD_BYTES, ROWS_OF_STRIP * row), blockRows * row),
    tileColumns: Math.min(padded(S), columnsWithin(TILE_COLUMNS, TILE_NUMBERS, width)),
    gradientRows: evenly(L, GRADIENT_ROWS, ROW_UNIT),
    gradientColumns: evenly(S, columnsWithin(GRADIENT_COLUMNS, GRADIENT_NUMBERS, width), COLUMN_UNIT),
  };
}

function columnsWithin(most: number, numbers: number, width: number): number {
  return Math.min(most, Math.max(32, Math.floor(numbers / width / COLUMN_UNIT) * COLUMN_UNIT));
}

/** The size of equal blocks, at most `largest`, a multiple of `unit`: 257 rows are 132 and 125, not 252 and 5. */
function evenly(total: number, largest: number, unit: number): number {
  const blocks = Math.max(1, Math.ceil(total / largest));
  return Math.max(unit, Math.ceil(total / blocks / unit) * unit);
}

/** How many chunks `forward` has. */
export function forwardChunks({ B, H, L, blockRows }: Sizes & Blocks): number {
  return B * H * Math.ceil(L / blockRows);
}

/** How many chunks `backward` has. */
export function backwardChunks({ B, Hkv, chunkBatches, chunkHeads }: Pick<Job, "B" | "Hkv" | "chunkBatches" | "chunkHeads">): number {
  return Math.ceil(B / chunkBatches) * Math.ceil(Hkv / chunkHeads);
}

const REAL = 4;
const ROWS_OF_STRIP = 6;
/** What the kernel keeps of each row: `ROW_BYTES` of normalise.ts. */
const ROW_NUMBERS = 5;
/** And of its threshold: `HOLD_BYTES` of hold.ts. */
const HELD_NUMBERS = 12;
/** Numbers of a packed row: `setFactors` of setup.ts. */
const packed = (n: number) => (n <= MOST_PACKED ? n : 0);
const padded = (n: number) => Math.ceil(n / COLUMN_UNIT) * COLUMN_UNIT;
/** The struct of work.ts, and what alignment takes. */
const FIXED_BYTES = 2048;

/** Bytes of scratch space of one thread in `forward`. They do not grow with L and S. */
export function forwardScratchBytes({ D, E, blockRows, tileColumns, heldBytes }: Sizes & Blocks): number {
  const panels = tileColumns * (D + Math.max(padded(D), padded(E))) + ROWS_OF_STRIP * D;
  const strips = ((2 * ROWS_OF_STRIP + 1) * stripPitch()) / REAL;
  const rows = blockRows * (packed(D) + padded(E) + ROW_NUMBERS + (heldBytes > 0 ? HELD_NUMBERS : 0));
  return FIXED_BYTES + REAL * (panels + strips + rows) + heldBytes;
}

/** Bytes of scratch space of one thread in `backward`; 4 bytes per query of the heads that share a key/value head grow with L. */
export function backwardScratchBytes({ H, Hkv, L, D, E, gradientRows, gradientColumns }: Sizes & Blocks): number {
  const width = padded(D) + padded(E);
  const stripRow = gradientPitch() / REAL;
  const panels = gradientColumns * (D + 2 * E + width + padded(D));
  const strips = (2 * gradientRows + 4 * ROWS_OF_STRIP + 1) * stripRow;
  const rows = gradientRows * (width + packed(D) + packed(E) + 2) + (ROWS_OF_STRIP + 8) * padded(D);
  return FIXED_BYTES + REAL * (panels + strips + rows + (H / Hkv) * L);
}
