import type { Job } from "./job.ts";

/** The sizes that decide how work is cut. */
export type Sizes = Pick<Job, "B" | "H" | "Hkv" | "L" | "S" | "D" | "E">;
export type Blocks = Pick<Job, "blockRows" | "tileColumns" | "gradientRows" | "gradientColumns">;

/** Most query rows of a forward chunk: two strips of it and a tile of keys and values stay in the second cache. */
const BLOCK_ROWS = 252;
/** Strips have 6 rows, or 4 without fused multiply-add. */
const ROW_UNIT = 12;
/** Panels are 8 columns wide, or 16. */
const COLUMN_UNIT = 16;
/** Keys of a tile, and most numbers of its packed form. */
const TILE_COLUMNS = 256;
const TILE_NUMBERS = 32_768;
const [GRADIENT_ROWS, GRADIENT_COLUMNS, GRADIENT_NUMBERS] = [96, 192, 16_384];

/** How a job of these sizes is cut: by shape alone, so that equal calls give equal bits. Spread it into the job. */
export function blocksOf({ L, S, D, E }: Sizes): Blocks {
  const width = Math.max(D, E, 1);
  return {
    blockRows: evenly(L, BLOCK_ROWS, ROW_UNIT),
    tileColumns: evenly(S, columnsWithin(TILE_COLUMNS, TILE_NUMBERS, width), COLUMN_UNIT),
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
/** What the kernel keeps of each row: maximum, sum, factor. */
const ROW_NUMBERS = 3;
const padded = (n: number) => Math.ceil(n / COLUMN_UNIT) * COLUMN_UNIT;
/** The struct of work.ts, and what alignment takes. */
const FIXED_BYTES = 2048;

/** Bytes of scratch space of one thread in `forward`. They do not grow with L and S. */
export function forwardScratchBytes({ D, E, blockRows, tileColumns }: Sizes & Blocks): number {
  const panels = tileColumns * (D + Math.max(padded(D), padded(E))) + ROWS_OF_STRIP * D;
  const strips = (2 * ROWS_OF_STRIP + 1) * (tileColumns + COLUMN_UNIT);
  const rows = blockRows * (padded(E) + ROW_NUMBERS);
  return FIXED_BYTES + REAL * (panels + strips + rows);
}

/** Bytes of scratch space of one thread in `backward`; 4 bytes per query of the heads that share a key/value head grow with L. */
export function backwardScratchBytes({ H, Hkv, L, D, E, gradientRows, gradientColumns }: Sizes & Blocks): number {
  const width = padded(D) + padded(E);
  const stripRow = gradientColumns + COLUMN_UNIT;
  const panels = gradientColumns * (D + 2 * E + width + padded(D));
  const strips = (2 * gradientRows + 4 * ROWS_OF_STRIP + 1) * stripRow;
  const rows = gradientRows * (width + 2) + (ROWS_OF_STRIP + 8) * padded(D);
  return FIXED_BYTES + REAL * (panels + strips + rows + (H / Hkv) * L);
}
