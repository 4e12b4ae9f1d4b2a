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
      const first = tokens.findIndex((token, id) => this.#ids.get(token) !== id);
      throw new FormatError("Vocabulary", "each token occurs once", { token: tokens[first], number: first });
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

  /**
   * What `toJSON` gave.
   * @throws {FormatError} for anything else, with the number of the token that is none.
   *
   * Time O(tokens). Memory: with the text and its JSON at most 32 times the text.
   */
  static fromJSON(json: unknown): Vocabulary {
    const { tokens, unknown } = (typeof json === "object" && json !== null ? json : {}) as { tokens?: unknown; unknown?: unknown };
    if (!Array.isArray(tokens) || (unknown !== undefined && typeof unknown !== "string")) {
      const got = { tokens: Array.isArray(tokens) ? "an array" : typeof tokens, unknown: typeof unknown };
      throw new FormatError("Vocabulary.fromJSON", "takes { tokens: strings, unknown?: string }", got);
    }
    const other = tokens.findIndex((token) => typeof token !== "string");
    if (other >= 0) throw new FormatError("Vocabulary.fromJSON", "tokens are strings", { number: other, token: typeof tokens[other] });
    return new Vocabulary(tokens as string[], unknown === undefined ? {} : { unknown });
  }

  /**
   * Reads a vocabulary's file: the JSON of one, in UTF-8.
   * @throws {FormatError} with the byte offset for what is not UTF-8 or no JSON; else as `fromJSON`.
   *
   * Time O(bytes). Memory: at most 32 times the bytes.
   */
  static parse(bytes: Uint8Array, { name }: { readonly name?: string } = {}): Vocabulary {
    const file = name === undefined ? {} : { file: name };
    const fail = (rule: string, offset: number, cause: unknown): never => {
      const error = new FormatError("Vocabulary.parse", rule, { ...file, offset }, "Is this a vocabulary's file?");
      error.cause = cause;
      throw error;
    };
    let text = "";
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      fail("the text is not utf-8", validPrefix(bytes), cause);
    }
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      fail("the text is no JSON", new TextEncoder().encode(text.slice(0, placeOf(cause, text))).length, cause);
    }
    return Vocabulary.fromJSON(json);
  }
}

/** How many bytes are UTF-8: where the first one stands that is not. */
function validPrefix(bytes: Uint8Array): number {
  let [low, high] = [0, bytes.length];
  const isText = (length: number): boolean => {
    try {
      // A character that is cut off at the end is no fault yet.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isText(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where an engine says that JSON ends to be JSON; the end of the text where it does not say. */
function placeOf(error: unknown, text: string): number {
  const message = String((error as Error).message);
  const place = /position (\d+)/.exec(message);
  if (place !== null) return Number(place[1]);
  const lines = /line (\d+) column (\d+)/.exec(message);
  if (lines === null) return text.length;
  const before = text.split("\n", Number(lines[1]) - 1);
  return before.reduce((sum, line) => sum + line.length + 1, 0) + Number(lines[2]) - 1;
}
