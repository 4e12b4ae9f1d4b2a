import { FormatError, HeedError } from "@heed/tensor";

/** Ends the last piece of each word. */
const end = "</w>";

type Pair = readonly [first: string, second: string];

/**
 * Byte-pair encoding: words as pieces that occur often, so that few pieces write every word. Common words are one piece, rare ones several, down to
 * single characters; the last piece of a word ends with `</w>`.
 *
 * @see Sennrich, Haddow, Birch 2016 (arXiv:1508.07909)
 * @example
 * const subwords = Subwords.learn([["low", 5], ["lower", 2], ["newest", 6], ["widest", 3]], { merges: 10 });
 * subwords.encode("lowest"); // ["lo", "w", "est</w>"]
 */
export class Subwords {
  /** Pairs of pieces in the order in which they are joined. */
  readonly merges: readonly Pair[];
  readonly #rank: ReadonlyMap<string, number>;
  readonly #known = new Map<string, readonly string[]>();

  /**
   * From merges in order; see `Subwords.learn` for words.
   * @throws {FormatError} when a piece is empty, or a pair occurs twice.
   */
  constructor(merges: readonly Pair[]) {
    this.merges = merges;
    this.#rank = new Map(merges.map(([first, second], rank) => [`${first} ${second}`, rank]));
    const wrong = merges.find((pair) => pair.some((piece) => piece === "" || /\s/.test(piece)));
    if (wrong !== undefined || this.#rank.size !== merges.length) {
      throw new FormatError("Subwords", "merges are different pairs of pieces without spaces", { pair: wrong?.join("|") ?? "twice" });
    }
  }

  /**
   * Joins the most frequent pair of neighbouring pieces, `merges` times; of equally frequent ones the first in the order of code units. Ends sooner
   * when no pair occurs twice.
   * @param counts words without spaces, and how often each occurs
   * @throws {HeedError} for an empty word or one with a space, a count that is no whole number from 1 on, or merges below 0.
   *
   * Time O(merges · pairs): each merge looks at all pairs once, and at the words that hold its own.
   */
  static learn(counts: Iterable<readonly [word: string, count: number]>, { merges }: { readonly merges: number }): Subwords {
    if (!Number.isInteger(merges) || merges < 0)
      throw new HeedError("Subwords.learn", "merges must be a whole number from 0 on", { merges });
    const words = Array.from(counts, ([word, count]) => ({ pieces: characters("Subwords.learn", word), count }));
    const wrong = words.find(({ count }) => !Number.isInteger(count) || count < 1);
    if (wrong !== undefined) throw new HeedError("Subwords.learn", "counts must be whole numbers from 1 on", { count: wrong.count });

    const pairs = new Map<string, { count: number; readonly words: Set<number> }>();
    const tally = (w: number, sign: 1 | -1): void => {
      const { pieces, count } = words[w];
      for (let i = 0; i + 1 < pieces.length; i++) {
        const name = `${pieces[i]} ${pieces[i + 1]}`;
        const pair = pairs.get(name) ?? { count: 0, words: new Set() };
        pairs.set(name, pair);
        pair.count += sign * count;
        if (sign === 1) pair.words.add(w);
        else pair.words.delete(w);
        if (pair.count === 0) pairs.delete(name);
      }
    };
    words.forEach((_, w) => tally(w, 1));
    const learned: Pair[] = [];
    while (learned.length < merges) {
      let [best, most] = ["", 1];
      for (const [name, { count }] of pairs)
        if (count > most || (count === most && best !== "" && name < best)) [best, most] = [name, count];
      if (best === "") break;
      const [first, second] = best.split(" ") as [string, string];
      learned.push([first, second]);
      for (const w of Array.from(pairs.get(best)!.words)) {
        tally(w, -1);
        words[w].pieces = joined(words[w].pieces, first, second);
        tally(w, 1);
      }
    }
    return new Subwords(learned);
  }

  /**
   * The pieces of a word.
   * @throws {HeedError} for an empty word or one with a space.
   */
  encode(word: string): readonly string[] {
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    let pieces = characters("Subwords", word);
    for (;;) {
      const rank = pieces
        .slice(1)
        .reduce((least, piece, i) => Math.min(least, this.#rank.get(`${pieces[i]} ${piece}`) ?? Infinity), Infinity);
      if (rank === Infinity) break;
      pieces = joined(pieces, ...this.merges[rank]);
    }
    this.#known.set(word, pieces);
    return pieces;
  }

  /** The words of pieces; what does not end a word at the end of the list is a word too. */
  static decode(pieces: Iterable<string>): string[] {
    const words: string[] = [];
    let open = "";
    for (const piece of pieces) {
      open += piece;
      if (!open.endsWith(end)) continue;
      words.push(open.slice(0, -end.length));
      open = "";
    }
    return open === "" ? words : [...words, open];
  }

  /** For `JSON.stringify`, each pair as its two pieces with a space between; `Subwords.fromJSON` reads it back. */
  toJSON(): { merges: readonly string[] } {
    return { merges: this.merges.map((pair) => pair.join(" ")) };
  }

  /** @throws {FormatError} for anything but what `toJSON` gives. */
  static fromJSON(json: unknown): Subwords {
    const { merges } = (typeof json === "object" && json !== null ? json : {}) as { merges?: unknown };
    const isPair = (pair: unknown): pair is string => typeof pair === "string" && pair.split(" ").length === 2;
    if (!Array.isArray(merges) || !merges.every(isPair)) {
      throw new FormatError("Subwords.fromJSON", "takes { merges: pairs of pieces with a space between }", { merges: typeof merges });
    }
    return new Subwords(merges.map((pair) => pair.split(" ") as [string, string]));
  }
}

/** Code points, the last with the end of the word. */
function characters(where: string, word: string): string[] {
  if (word === "" || /\s/.test(word)) throw new HeedError(where, "a word is not empty and holds no space", { word });
  const all = [...word];
  all[all.length - 1] += end;
  return all;
}

function joined(pieces: readonly string[], first: string, second: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === first && pieces[i + 1] === second) out.push(first + pieces[++i]);
    else out.push(pieces[i]);
  }
  return out;
}
