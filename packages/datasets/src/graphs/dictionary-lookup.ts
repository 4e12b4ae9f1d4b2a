import { HeedError, randomOrder, tensor, type RandomKey, type Tensor } from "@heed/tensor";

export interface DictionaryLookup {
  /** Twice the size: nodes 0 … size − 1 ask, the others are entries of the dictionary. */
  readonly nodeCount: number;
  /** The same for all dictionaries: from every entry to every node that asks, int32 `[2, size²]`. */
  readonly edgeIndex: Tensor;
  /** What each node asks for or has as its key: 0 … size − 1. `[nodeCount]` */
  readonly keys: Int32Array;
  /** Value of each entry, 1 … size; 0 for nodes that ask. One array `[nodeCount]` per dictionary. */
  readonly values: readonly Int32Array[];
  /** What each node that asks should say: the value − 1 of the entry with its key. One array `[size]` per dictionary. */
  readonly answers: readonly Int32Array[];
}

/**
 * Dictionaries as graphs: `size` nodes ask for a key each, `size` entries have a key and a value, and every node that asks sees every entry. Which
 * entry matters depends on who asks, so attention that ranks all keys alike for every query (GAT's) cannot solve it.
 * @param options.size keys of a dictionary, from 1 on
 * @param options.count different dictionaries, at most half of size!: none comes twice, so parts of them share none
 * @throws {HeedError} for sizes and counts out of range.
 *
 * Time and memory O(size² + count · size).
 * @see Brody, Alon, Yahav 2022, section 4.1 (arXiv:2105.14491)
 */
export function dictionaryLookup({ size, count, key }: { size: number; count: number; key: RandomKey }): DictionaryLookup {
  if (!Number.isInteger(size) || size < 1 || size > 1024) {
    throw new HeedError("dictionaryLookup", "size must be a whole number from 1 to 1,024", { size });
  }
  let most = 1;
  for (let n = 2; n <= size && most < 2 ** 32; n++) most *= n;
  if (!Number.isInteger(count) || count < 0 || count > most / 2) {
    throw new HeedError(
      "dictionaryLookup",
      "count must be a whole number, at most half of the size! dictionaries that there are",
      { count, size },
      "Ask for fewer, or for larger dictionaries.",
    );
  }
  const drawn = new Set<string>();
  const answers: Int32Array[] = [];
  for (let draw = 0; answers.length < count; draw++) {
    const order = randomOrder(key.split(draw), size);
    const name = order.join();
    if (!drawn.has(name)) answers.push(order);
    drawn.add(name);
  }
  const places = Array.from({ length: size }, (_, i) => i);
  const edges = [...places.flatMap(() => places.map((entry) => size + entry)), ...places.flatMap((asks) => places.map(() => asks))];
  return {
    nodeCount: 2 * size,
    edgeIndex: tensor(Int32Array.from(edges), { shape: [2, size * size] }),
    keys: Int32Array.from([...places, ...places]),
    values: answers.map((order) => Int32Array.from([...places.map(() => 0), ...Array.from(order, (value) => value + 1)])),
    answers,
  };
}
