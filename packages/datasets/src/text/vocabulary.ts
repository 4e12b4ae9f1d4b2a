import { FormatError, HeedError } from "@heed/tensor";

export interface VocabularyOptions {
  /** Tokens with numbers of their own before all others, such as `["<pad>", "<unk>"]`. Default none. */
  readonly special?: readonly string[];
  /** The special token that stands for what is not in the vocabulary. Default: there is none, and such a token is an error. */
  readonly unknown?: string;
  /** Leave out what occurs less often. Default 1. */
  readonly minCount?: number;
  /** At most so many tokens, special ones included; the most frequent stay. Default: all. */
  readonly maxSize?: number;
}

/**
 * Tokens and their numbers: special tokens first, then by falling frequency, ties in the order of the alphabet of code units. The same tokens give
 * the same numbers on every machine. Time O(tokens) to make, O(1) a look-up.
 * @see Elementary: a table
 */
export class Vocabulary {
  readonly tokens: readonly string[];
  readonly unknown: string | undefined;
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * From tokens in the order of their numbers; see `Vocabulary.build` for texts.
   * @throws {FormatError} when a token occurs twice, or `unknown` is none of them.
   */
  constructor(tokens: readonly string[], { unknown }: { readonly unknown?: string } = {}) {
    this.tokens = [...tokens];
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
    this.unknown = unknown;
    if (this.#ids.size !== tokens.length) {
      const twice = tokens.find((token, id) => this.#ids.get(token) !== id);
      throw new FormatError("Vocabulary", "each token occurs once", { token: twice });
    }
    if (unknown !== undefined && !this.#ids.has(unknown)) throw new FormatError("Vocabulary", "unknown is one of the tokens", { unknown });
  }

  /** Counts tokens, of one pass over sentences. */
  static build(sentences: Iterable<Iterable<string>>, options: VocabularyOptions = {}): Vocabulary {
    const { special = [], unknown, minCount = 1, maxSize = Infinity } = options;
    if (!(maxSize >= special.length))
      throw new HeedError("Vocabulary", "maxSize leaves room for the special tokens", { maxSize, special: special.length });
    const counts = new Map<string, number>();
    for (const sentence of sentences) for (const token of sentence) counts.set(token, (counts.get(token) ?? 0) + 1);
    for (const token of special) counts.delete(token);
    const order = [...counts].filter(([, count]) => count >= minCount).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const kept = order.slice(0, Math.max(0, maxSize - special.length)).map(([token]) => token);
    return new Vocabulary([...special, ...kept], unknown === undefined ? {} : { unknown });
  }

  get size(): number {
    return this.tokens.length;
  }

  has(token: string): boolean {
    return this.#ids.has(token);
  }

  /** The number of a token. @throws {HeedError} when it has none, and no token stands for unknown ones. */
  idOf(token: string): number {
    const id = this.#ids.get(token) ?? (this.unknown === undefined ? undefined : this.#ids.get(this.unknown));
    if (id === undefined)
      throw new HeedError("Vocabulary", "the token is not in the vocabulary", { token }, "Build it with an unknown token.");
    return id;
  }

  encode(tokens: Iterable<string>): Int32Array {
    return Int32Array.from(tokens, (token) => this.idOf(token));
  }

  /** @throws {HeedError} for a number out of range. */
  decode(ids: Iterable<number>): string[] {
    return Array.from(ids, (id) => {
      const token = this.tokens[id];
      if (token === undefined) throw new HeedError("Vocabulary", "no token has that number", { id, size: this.size });
      return token;
    });
  }

  /** For `JSON.stringify`; `Vocabulary.fromJSON` reads it back. */
  toJSON(): { tokens: readonly string[]; unknown?: string } {
    return { tokens: this.tokens, ...(this.unknown === undefined ? {} : { unknown: this.unknown }) };
  }

  /** @throws {FormatError} for anything but what `toJSON` gives. */
  static fromJSON(json: unknown): Vocabulary {
    const { tokens, unknown } = (typeof json === "object" && json !== null ? json : {}) as { tokens?: unknown; unknown?: unknown };
    if (
      !Array.isArray(tokens) ||
      !tokens.every((token) => typeof token === "string") ||
      (unknown !== undefined && typeof unknown !== "string")
    ) {
      throw new FormatError("Vocabulary.fromJSON", "takes { tokens: strings, unknown?: string }", {
        tokens: typeof tokens,
        unknown: typeof unknown,
      });
    }
    return new Vocabulary(tokens as string[], unknown === undefined ? {} : { unknown });
  }
}
