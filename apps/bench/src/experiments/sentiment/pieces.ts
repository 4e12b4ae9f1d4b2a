import { tensor, type Tensor } from "@heed/tensor";
import type { Vocabulary } from "@heed/datasets";

/** Lengths of the letter sequences of a word; its ends count as letters: `<film>`. */
const lengths = [3, 4] as const;

/**
 * A word as rows of a table: its own where training met it more than once, and those of its sequences of three and four letters, which share
 * `buckets` rows by a hash. So words that were never met have a vector too.
 * @see Bojanowski et al. 2017 (arXiv:1607.04606), §3.2
 */
export function piecesOf(word: string, known: Vocabulary, buckets: number): Int32Array {
  const letters = [...`<${word}>`];
  const pieces = new Set<number>();
  if (known.has(word)) pieces.add(known.idOf(word));
  for (const n of lengths) {
    for (let at = 0; at + n <= letters.length; at++) pieces.add(known.size + (hash(letters.slice(at, at + n).join("")) % buckets));
  }
  return Int32Array.from(pieces);
}

/** FNV-1a over UTF-8, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}

/** The different words of a batch. */
export interface Lexicon {
  /** Rows of the table, word by word, int32 `[pieces]`. */
  readonly pieces: Tensor;
  /** What each counts, `[pieces, 1]`. */
  readonly shares: Tensor;
  /** Whose piece it is, int32 `[pieces]`. */
  readonly owners: Tensor;
  readonly count: number;
}

/** Word 0 has no piece: its vector is 0. */
export function lexiconOf(words: readonly Int32Array[]): Lexicon {
  const total = words.reduce((sum, { length }) => sum + length, 0);
  const [pieces, owners, shares] = [new Int32Array(total), new Int32Array(total), new Float32Array(total)];
  let at = 0;
  words.forEach((of, word) => {
    pieces.set(of, at);
    owners.fill(word, at, at + of.length);
    shares.fill(1 / Math.sqrt(of.length), at, at + of.length);
    at += of.length;
  });
  return { pieces: tensor(pieces), owners: tensor(owners), shares: tensor(shares, { shape: [total, 1] }), count: words.length };
}
