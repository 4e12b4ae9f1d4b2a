import { FormatError } from "@heed/tensor";
import { parseIdx, parseIdxHeader, type IdxArray } from "./parse-idx.ts";

/** Deflate cannot shrink by more: a copy of 258 bytes costs at least two bits. */
const maxDeflateRatio = 1032;

/**
 * Reads the bytes of an IDX file, plain or gzip, in a browser as in Node (gzip by the platform's `DecompressionStream`).
 *
 * A gzip file is unpacked into an array whose length its header promises, made only when the compressed bytes could fill it
 * (deflate shrinks 1,032 times at most) and it is within `maxBytes`; so a file of n bytes never costs more than 1,032 n.
 *
 * @param options.name what to call the file in an error
 * @param options.maxBytes the longest unpacked file to accept; default 2³⁰
 * @throws {FormatError} when header, lengths or gzip data are wrong, or the file is longer than `maxBytes`.
 *
 * Time O(unpacked bytes).
 * @see http://yann.lecun.com/exdb/mnist/, "The IDX file format"
 */
export async function readIdx(bytes: Uint8Array, options: { name?: string; maxBytes?: number } = {}): Promise<IdxArray> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return parseIdx(bytes, options);
  return parseIdx(await gunzipIdx(bytes, options.maxBytes ?? 2 ** 30, options.name), options);
}

async function gunzipIdx(bytes: Uint8Array, maxBytes: number, name: string | undefined): Promise<Uint8Array> {
  const file = name === undefined ? {} : { file: name };
  let start = new Uint8Array(0); // what came before the header was complete
  let whole: Uint8Array | undefined;
  let filled = 0;

  const take = (chunk: Uint8Array): void => {
    if (whole === undefined) {
      const joined = new Uint8Array(start.length + chunk.length);
      joined.set(start);
      joined.set(chunk, start.length);
      start = joined;
      const header = parseIdxHeader(start, name);
      if (header === undefined) return;
      const { shape, totalBytes } = header;
      if (totalBytes > bytes.length * maxDeflateRatio) {
        throw new FormatError(
          "readIdx",
          "the header promises more than the compressed bytes can hold",
          { ...file, shape, bytes: bytes.length },
          "Get the file again.",
        );
      }
      if (totalBytes > maxBytes) {
        throw new FormatError(
          "readIdx",
          `the unpacked file would be longer than ${maxBytes} bytes`,
          { ...file, shape, promised: totalBytes },
          "If that is meant, give a larger maxBytes.",
        );
      }
      whole = new Uint8Array(totalBytes);
      chunk = start;
    }
    if (filled + chunk.length > whole.length) {
      throw new FormatError(
        "readIdx",
        "the file is longer than its header promises",
        { ...file, promised: whole.length },
        "Get the file again.",
      );
    }
    whole.set(chunk, filled);
    filled += chunk.length;
  };

  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      take(value);
    }
  } catch (cause) {
    await reader.cancel().catch(() => {});
    if (cause instanceof FormatError) throw cause;
    const error = new FormatError(
      "readIdx",
      "the gzip data are damaged or cut off",
      { ...file, bytes: bytes.length },
      "Get the file again.",
    );
    error.cause = cause;
    throw error;
  }
  if (whole === undefined) return start; // too short for a header: parseIdx says so
  if (filled < whole.length) {
    throw new FormatError(
      "readIdx",
      "the file is shorter than its header promises",
      { ...file, promised: whole.length, bytes: filled },
      "Get the file again.",
    );
  }
  return whole;
}
