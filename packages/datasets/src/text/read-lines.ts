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
 * Time O(bytes); memory of one line and one piece of the source, however long the text is.
 * @throws {FormatError} for bytes that are not of the encoding, a line above `maxLineBytes`, or damaged gzip: with line and byte offset.
 * @see Deutsch 1996, "GZIP File Format Specification Version 4.3" (RFC 1952)
 */
export async function* readLines(source: Source, options: TextOptions = {}): AsyncGenerator<Line, void> {
  const { name, encoding = "utf-8", maxLineBytes = 2 ** 20 } = options;
  if (encoding !== "utf-8" && encoding !== "latin-1") {
    throw new HeedError("readLines", "encoding is utf-8 or latin-1", { encoding });
  }
  const decoder = new TextDecoder(encoding === "utf-8" ? "utf-8" : "windows-1252", { fatal: true, ignoreBOM: true });
  const file = name === undefined ? {} : { file: name };
  let number = 1;
  let offset = 0;
  const line = (parts: readonly Uint8Array[], length: number): Line => {
    let bytes = parts.length === 1 ? parts[0] : joined(parts, length);
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

  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of unpacked(chunksOf(source), "readLines", file)) {
    for (let start = 0; start < chunk.length;) {
      const found = chunk.indexOf(LF, start);
      const end = found < 0 ? chunk.length : found;
      length += end - start;
      if (length > maxLineBytes) {
        const got = { ...file, line: number, offset };
        throw new FormatError(
          "readLines",
          `a line is longer than ${maxLineBytes} bytes`,
          got,
          "If that is meant, give a larger maxLineBytes.",
        );
      }
      if (end > start) parts.push(chunk.subarray(start, end));
      start = end + 1;
      if (found < 0) {
        // The piece belongs to whoever gave it, and may be written over.
        if (parts.length > 0) parts = [joined(parts, length)];
        continue;
      }
      yield line(parts.length === 0 ? [new Uint8Array(0)] : parts, length);
      offset += length + 1;
      number++;
      parts = [];
      length = 0;
    }
  }
  if (length > 0) yield line(parts, length);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
