import { padded, type Vocabulary } from "@heed/datasets";
import { tensor, uniform, type RandomKey, type Tensor } from "@heed/tensor";

/** Sentences as numbers of words, one behind the other: sentence s is `ids[offsets[s] … offsets[s + 1] − 1]`. */
export interface Sentences {
  readonly ids: Int32Array;
  readonly offsets: Int32Array;
}

/** Sentences side by side. */
export interface SentenceBatch {
  /** int32 `[B, L]`, shorter ones filled up with 0. */
  readonly ids: Tensor;
  readonly lengths: Int32Array;
  /** Where the words stand among the `B · L` places, int32 `[words]`, sentence by sentence. */
  readonly places: Tensor;
}

/** Tokens with numbers of their own: what fills up, and what stands for words that training never met. */
export const [padId, unknownId] = [0, 1] as const;
export const special = ["<pad>", "<unk>"] as const;

export function encoded(sentences: readonly (readonly string[])[], vocabulary: Vocabulary): Sentences {
  const offsets = new Int32Array(sentences.length + 1);
  sentences.forEach(({ length }, s) => (offsets[s + 1] = offsets[s]! + length));
  const ids = new Int32Array(offsets.at(-1)!);
  sentences.forEach((words, s) => ids.set(vocabulary.encode(words), offsets[s]));
  return { ids, offsets };
}

export const sentence = ({ ids, offsets }: Sentences, s: number): Int32Array => ids.slice(offsets[s], offsets[s + 1]);

export const lengthsOf = ({ offsets }: Sentences): Int32Array =>
  Int32Array.from({ length: offsets.length - 1 }, (_, s) => offsets[s + 1]! - offsets[s]!);

export function sentenceBatch(sentences: readonly Int32Array[]): SentenceBatch {
  const { ids, lengths } = padded(sentences, { padding: padId });
  const L = ids.shape[1]!;
  const places = sentences.flatMap(({ length }, row) => Array.from({ length }, (_, at) => row * L + at));
  return { ids, lengths, places: tensor(Int32Array.from(places)) };
}

/** How often each word of the vocabulary occurs. */
export function countsOf({ ids }: Sentences, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const id of ids) counts[id]!++;
  return counts;
}

/**
 * Words become unknown by chance, so that a model learns what to do with words that it never met: each with probability `all`, rare ones also with
 * `rare / (rare + count)`.
 * @see Kiperwasser and Goldberg 2016 (arXiv:1603.04351): the same with all = 0 and rare = 0.25
 */
export function forgetting(
  sentences: readonly Int32Array[],
  counts: Int32Array,
  { all, rare }: { readonly all: number; readonly rare: number },
  key: RandomKey,
): Int32Array[] {
  const total = sentences.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) return [...sentences];
  const draws = uniform(key, [total]).toTypedArray();
  let at = 0;
  return sentences.map((ids) => ids.map((id) => (draws[at++]! < 1 - (1 - all) * (1 - rare / (rare + counts[id]!)) ? unknownId : id)));
}
