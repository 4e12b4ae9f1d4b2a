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
    const fault = faultIn(tokens, unknown, this.#ids);
    if (fault !== undefined) throw new FormatError("Vocabulary", fault.rule, fault.got);
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
    const fault = faultOfJson(json);
    if (fault !== undefined) throw new FormatError("Vocabulary.fromJSON", fault.rule, fault.got);
    const { tokens, unknown } = json as { tokens: string[]; unknown?: string };
    return new Vocabulary(tokens, unknown === undefined ? {} : { unknown });
  }

  /**
   * Reads a vocabulary's file: the JSON of one, in UTF-8.
   * @throws {FormatError} with the byte offset of what is not UTF-8, no JSON, or no vocabulary.
   *
   * Time O(bytes). Memory: at most 32 times the bytes.
   */
  static parse(bytes: Uint8Array, { name }: { readonly name?: string } = {}): Vocabulary {
    const file = name === undefined ? {} : { file: name };
    const fail = (rule: string, offset: number, cause: unknown, got: object = {}): never => {
      const error = new FormatError("Vocabulary.parse", rule, { ...got, ...file, offset }, "Is this a vocabulary's file?");
      error.cause = cause;
      throw error;
    };
    const bytesBefore = (place: number): number => new TextEncoder().encode(text.slice(0, place)).length;
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
      fail("the text is no JSON", bytesBefore(placeOf(cause, text)), cause);
    }
    const fault = faultOfJson(json);
    if (fault !== undefined) fail(fault.rule, bytesBefore(placeOfValue(text, fault.key, fault.number)), undefined, fault.got);
    return Vocabulary.fromJSON(json);
  }
}

interface Fault {
  readonly rule: string;
  readonly got: Readonly<Record<string, unknown>>;
  /** Of the JSON, where it is the token of that number, or the whole value. */
  readonly key: "tokens" | "unknown";
  readonly number?: number;
}

/** The first token that is there twice, or what stands for unknown ones and is none. */
function faultIn(tokens: readonly string[], unknown: string | undefined, ids: ReadonlyMap<string, number>): Fault | undefined {
  if (ids.size !== tokens.length) {
    const number = tokens.findIndex((token, id) => ids.get(token) !== id);
    return { rule: "each token occurs once", got: { token: tokens[number], number }, key: "tokens", number };
  }
  if (unknown === undefined || ids.has(unknown)) return undefined;
  return { rule: "unknown is one of the tokens", got: { unknown }, key: "unknown" };
}

/** Why this is not what `toJSON` gives. */
function faultOfJson(json: unknown): Fault | undefined {
  const { tokens, unknown } = (typeof json === "object" && json !== null ? json : {}) as { tokens?: unknown; unknown?: unknown };
  if (!Array.isArray(tokens) || (unknown !== undefined && typeof unknown !== "string")) {
    const got = { tokens: Array.isArray(tokens) ? "an array" : typeof tokens, unknown: typeof unknown };
    return { rule: "takes { tokens: strings, unknown?: string }", got, key: Array.isArray(tokens) ? "unknown" : "tokens" };
  }
  const number = tokens.findIndex((token) => typeof token !== "string");
  if (number >= 0) return { rule: "tokens are strings", got: { number, token: typeof tokens[number] }, key: "tokens", number };
  return faultIn(tokens as string[], unknown, new Map((tokens as string[]).map((token, id) => [token, id])));
}

/** Where in the text of a JSON object the value of a key begins, or an element of that value; 0 where there is none. The last of equal keys counts. */
function placeOfValue(text: string, wanted: string, number?: number): number {
  if (!text.trimStart().startsWith("{")) return 0;
  let [found, depth, element] = [0, 0, 0];
  let key: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const start = at;
    const c = text[at]!;
    if (" \t\n\r:".includes(c)) continue;
    if (c === "}" || c === "]") depth--;
    else if (c === ",") {
      if (depth === 1) key = undefined;
      if (depth === 2) element++;
    } else {
      if (c === '"') for (at++; text[at] !== '"'; at++) at += Number(text[at] === "\\");
      if (depth === 1 && key === undefined) {
        key = JSON.parse(text.slice(start, at + 1)) as string;
        continue;
      }
      if (key === wanted && (number === undefined ? depth === 1 : depth === 2 && element === number)) found = start;
      if (c === "{" || c === "[") {
        depth++;
        if (depth === 2) element = 0;
      } else if (c !== '"') while (/[^\s,\]}]/.test(text[at + 1] ?? ",")) at++;
    }
  }
  return found;
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
