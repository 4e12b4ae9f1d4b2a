import { randomStream, type RandomKey } from "@heed/tensor";

/** Most frames that are cut at either end, and that are blanked out; most bands that are, twice; loudness, as a logarithm of energy. */
const [cut, time, bandsHidden, loudness] = [3, 8, 6, 1] as const;
/** Nothing is cut from recordings that would become shorter. */
const shortest = 10;

/**
 * A recording as it might have been: a few frames less at either end (a shift in time), louder or softer, with a stretch of time and two
 * stretches of bands blanked out.
 * @param frames `[L · bands]`, of mean 0
 * @param deviations of each band, in which loudness is counted
 * @see Park et al. 2019, SpecAugment (arXiv:1904.08779)
 */
export function augmented(frames: Float32Array, deviations: Float32Array, key: RandomKey): Float32Array {
  const bands = deviations.length;
  const stream = randomStream(key);
  const length = frames.length / bands;
  const room = Math.max(0, Math.min(cut, Math.floor((length - shortest) / 2)));
  const [before, after] = [stream.integer(room + 1), stream.integer(room + 1)];
  const louder = (2 * stream.uniform() - 1) * loudness;
  const out = frames.slice(before * bands, frames.length - after * bands);
  for (let at = 0; at < out.length; at++) out[at]! += louder / deviations[at % bands]!;
  const L = out.length / bands;
  const blank = stream.integer(Math.min(time, Math.floor(L / 4)) + 1);
  const from = stream.integer(L - blank + 1);
  out.fill(0, from * bands, (from + blank) * bands);
  for (let mask = 0; mask < 2; mask++) {
    const width = stream.integer(Math.min(bandsHidden, Math.floor(bands / 4)) + 1);
    const first = stream.integer(bands - width + 1);
    for (let t = 0; t < L; t++) out.fill(0, t * bands + first, t * bands + first + width);
  }
  return out;
}
