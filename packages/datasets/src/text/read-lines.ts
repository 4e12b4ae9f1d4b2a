import { FormatError, HeedError } from "@heed/tensor";
import { chunksOf, type Source } from "./source.ts";
import { unpacked } from "./unpacked.ts";

export interface TextOptions {
  /** What to call the source in an error. */
  readonly name?: string;
  /** `utf-8` (default): other bytes are an error. `latin-1`: every byte is a character, 0x80 … 0x9F as in Windows-1252. */
  readonly encoding?: "utf-8" | "latin-1";
  /** The longest line to accept, in bytes. Default 2²⁰. */
  readonly maxLineBytes?: number;
  /** How many times its packed bytes a gzip may unpack to, beyond the first 2²⁰ bytes. Default 100; text seldom reaches 20. */
  readonly maxExpansion?: number;
}

export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Where the line begins, in bytes of the unpacked text. */
  readonly offset: number;
}

const [LF, CR] = [0x0a, 0x0d];

/**
 * Lines of a text, one after the other, plain or gzip (by the platform's `DecompressionStream`). Lines end at LF alone; a CR before it belongs to
 * the end. A last line needs none.
 *
 * Time O(bytes), however they are cut. Memory: at most eight times the longest line, and one piece of the source, however long the text is.
 * @throws {FormatError} for bytes that are not of the encoding or a line above `maxLineBytes`, with line and byte offset; for gzip that is damaged or
 * unpacks to more than `maxExpansion` allows, with the byte offset in the unpacked text. {HeedError} for an unknown encoding or limits below 1.
 * @see Deutsch 1996, "GZIP File Format Specification Version 4.3" (RFC 1952)
 */
export async function* readLines(source: Source, options: TextOptions = {}): AsyncGenerator<Line, void> {
  const { name, encoding = "utf-8", maxLineBytes = 2 ** 20, maxExpansion = 100 } = options;
  if (encoding !== "utf-8" && encoding !== "latin-1") {
    throw new HeedError("readLines", "encoding is utf-8 or latin-1", { encoding });
  }
  for (const [limit, value] of Object.entries({ maxLineBytes, maxExpansion })) {
    if (!(value >= 1)) throw new HeedError("readLines", `${limit} must be at least 1`, { [limit]: value });
  }
  const decoder = new TextDecoder(encoding === "utf-8" ? "utf-8" : "windows-1252", { fatal: true, ignoreBOM: true });
  const file = name === undefined ? {} : { file: name };
  let number = 1;
  let offset = 0;
  const line = (whole: Uint8Array): Line => {
    let bytes = whole;
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
    // A mark at the beginning of a file says how its bytes are ordered; it is no text.
    if (offset === 0 && encoding === "utf-8" && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    try {
      return { text: decoder.decode(bytes), number, offset };
    } catch {
      throw new FormatError(
        "readLines",
        `the text is not ${encoding}`,
        { ...file, line: number, offset },
        encoding === "utf-8" ? 'Is it "latin-1"? Say so in encoding.' : "Get the file again.",
      );
    }
  };

  /** Of a line whose end is in a piece to come: `open[0 … length)`. Pieces belong to whoever gave them, and may be written over. */
  let open = new Uint8Array(0);
  let length = 0;
  const hold = (piece: Uint8Array): void => {
    if (length + piece.length > open.length) {
      const wider = new Uint8Array(Math.max(2 * open.length, length + piece.length));
      wider.set(open.subarray(0, length));
      open = wider;
    }
    open.set(piece, length);
    length += piece.length;
  };
  for await (const chunk of unpacked(chunksOf(source), { where: "readLines", file, maxExpansion })) {
    for (let start = 0; start < chunk.length;) {
      const found = chunk.indexOf(LF, start);
      const piece = chunk.subarray(start, found < 0 ? chunk.length : found);
      if (length + piece.length > maxLineBytes) {
        const got = { ...file, line: number, offset };
        const fix = "If that is meant, give a larger maxLineBytes.";
        throw new FormatError("readLines", `a line is longer than ${maxLineBytes} bytes`, got, fix);
      }
      start += piece.length + 1;
      if (found < 0 || length > 0) hold(piece);
      if (found < 0) continue;
      const whole = length > 0 ? open.subarray(0, length) : piece;
      yield line(whole);
      offset += whole.length + 1;
      number++;
      length = 0;
    }
  }
  if (length > 0) yield line(open.subarray(0, length));
}
