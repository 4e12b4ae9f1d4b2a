/** A gradient that samples or heads may share. */
export interface Shared {
  /** Numbers of the whole gradient. */
  readonly size: number;
  /** Whether it has numbers of its own for each sample, and for each head. */
  readonly perSample: boolean;
  readonly perHead: boolean;
}

/** Most bytes that partial gradients may take. */
const PARTIAL_BYTES = 2 * 2 ** 20;

export interface Chunking {
  readonly chunkBatches: number;
  readonly chunkHeads: number;
  readonly chunks: number;
  /** Which gradients are summed from one partial per chunk; the others are written apart. */
  readonly partial: readonly boolean[];
  /** Of all partials. */
  readonly bytes: number;
}

/**
 * How backward is cut: as finely as partial gradients stay small, by shapes alone. A chunk is a key/value head of a sample where it can, else
 * of more samples, else more heads.
 */
export function chunksOf(B: number, Hkv: number, shared: readonly Shared[], bytesPer: number): Chunking {
  const cut = (chunkBatches: number, chunkHeads: number): Chunking => {
    const [down, across] = [Math.ceil(B / chunkBatches), Math.ceil(Hkv / chunkHeads)];
    const partial = shared.map(({ perSample, perHead }) => (down > 1 && !perSample) || (across > 1 && !perHead));
    const numbers = shared.reduce((sum, { size }, i) => sum + (partial[i] ? size : 0), 0);
    return { chunkBatches, chunkHeads, chunks: down * across, partial, bytes: down * across * numbers * bytesPer };
  };
  for (let batches = 1; batches < B; batches++) {
    const found = cut(batches, 1);
    if (found.bytes <= PARTIAL_BYTES) return found;
  }
  for (let heads = 1; heads < Hkv; heads++) {
    const found = cut(Math.max(B, 1), heads);
    if (found.bytes <= PARTIAL_BYTES) return found;
  }
  return cut(Math.max(B, 1), Math.max(Hkv, 1));
}
