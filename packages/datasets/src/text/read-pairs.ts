import { FormatError } from "@heed/tensor";
import { readLines, type TextOptions } from "./read-lines.ts";
import type { Source } from "./source.ts";

/**
 * Sentence pairs, one a line, separated by a tab, plain or gzip: `[first, second]`. Further columns are passed over; so are empty lines.
 *
 * @throws {FormatError} with line and offset for a line without a tab or with an empty side, bad encoding or gzip.
 *
 * Time O(bytes). Memory: what `readLines` holds.
 * @see Elementary: tab-separated values
 */
export async function* readPairs(source: Source, options: TextOptions = {}): AsyncGenerator<readonly [string, string], void> {
  const file = options.name === undefined ? {} : { file: options.name };
  for await (const { text, number, offset } of readLines(source, options)) {
    if (text === "") continue;
    const [first, second] = text.split("\t", 2);
    if (second === undefined || first === "" || second === "") {
      const got = { ...file, line: number, offset, columns: second === undefined ? 1 : 2 };
      throw new FormatError(
        "readPairs",
        "a line holds two sentences, separated by a tab",
        got,
        "Remove the line, or give the other sentence.",
      );
    }
    yield [first, second];
  }
}
