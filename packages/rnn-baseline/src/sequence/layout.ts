/** Units of a hidden state that a kernel treats together: its states are padded to a multiple. */
export const UNITS = 16;
/** Sequences in one pass over the hidden weight: their gates stay in the first cache. */
export const PASS_ROWS = 32;
/** Terms of a sum per pass: panels of the hidden weight stay in the first cache. */
export const STEPS = 512;

export const padded = (H: number): number => Math.ceil(H / UNITS) * UNITS;

/** Bytes of what `packForward` writes. */
export function packedForwardBytes(width: number, blocks: number, slots: number, H: number): number {
  return width * padded(H) * (slots + blocks * H);
}

/** Bytes of what `packBackward` writes for `rows` rows of the hidden weight. */
export function packedBackwardBytes(width: number, rows: number, H: number): number {
  return width * rows * padded(H);
}

/** Bytes of the scratch space of a `…Forward` or `…Backward` over `rows` sequences. */
export function sequenceScratchBytes(width: number, rows: number, H: number): number {
  return width * (3 * rows * padded(H) + PASS_ROWS * (MOST_SLOTS * UNITS + Math.max(padded(H), STEPS)));
}

/** Backward, an LSTM has its gates, the cell and the one before. */
const MOST_SLOTS = 6;
