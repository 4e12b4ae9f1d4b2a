import { FormatError } from "@heed/kernels";
import { itemTypes, type ItemType } from "./item-types.ts";

/** What a header says of one tensor, checked: `begin` and `end` are bytes from the start of the file. */
export interface Entry {
  readonly name: string;
  readonly type: ItemType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of the file's data. */
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The reference implementation's limit: a longer header is an attack or an accident. */
const maxHeaderBytes = 100_000_000;

/** Reads and checks the header of a safetensors file. Allocates no more than a multiple of the header's own bytes. */
export function parseHeader(where: string, bytes: Uint8Array): Header {
  if (bytes.length < 8)
    throw new FormatError(where, "a file begins with 8 bytes that give the header's length", { "bytes present": bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > maxHeaderBytes || length > bytes.length - 8) {
    throw new FormatError(
      where,
      "the header must lie within the file, and within 100 MB",
      { "header length": length, "bytes after it": bytes.length - 8 },
      "Is this a safetensors file, and is it whole?",
    );
  }
  const header = parseObject(where, bytes.subarray(8, 8 + length));
  const entries: Entry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") metadata = checkMetadata(where, value);
    else entries.push(checkEntry(where, name, value, 8 + length, bytes.length));
  }
  // Empty tensors may share an offset with a neighbour: they come first.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 8 + length;
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      throw new FormatError(where, `${label(name)}: the data must follow one another without ${begin < at ? "overlaps" : "gaps"}`, {
        "data_offsets start": begin - 8 - length,
        expected: at - 8 - length,
      });
    }
    at = end;
  }
  if (at !== bytes.length)
    throw new FormatError(where, "the entries must cover all data to the end of the file", {
      "bytes covered": at - 8 - length,
      "bytes of data": bytes.length - 8 - length,
    });
  return { entries, metadata };
}

/** An entry's name in a message; a hostile one may be megabytes long. */
export function label(name: string): string {
  return `entry ${JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)}`;
}

function parseObject(where: string, bytes: Uint8Array): Record<string, unknown> {
  // The first byte is promised to be a brace; spaces may fill up the end only.
  if (bytes[0] !== 0x7b)
    throw new FormatError(where, "the header must be a JSON object that begins with a brace", { "first byte": bytes[0] });
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(where, "the header must be JSON in UTF-8", {
      error: error instanceof Error ? error.message.slice(0, 120) : "unknown",
    });
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new FormatError(where, `${label(twice)}: the name must not occur twice in one object of the header`);
  return value as Record<string, unknown>;
}

/** A key that an object of valid JSON holds twice: `JSON.parse` would silently keep the last. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let [start, end] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') [start, end] = [i, (i = endOfString(text, i))];
    else if (character === ":") {
      const key = JSON.parse(text.slice(start, end + 1)) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Where the closing quote of the string that opens at `start` stands. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end;
  }
}

function checkMetadata(where: string, value: unknown): Readonly<Record<string, string>> {
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string")
  ) {
    return value as Record<string, string>;
  }
  throw new FormatError(where, "__metadata__ must be an object of strings", {
    __metadata__: Array.isArray(value) ? "a list" : typeof value,
  });
}

function checkEntry(where: string, name: string, value: unknown, start: number, fileLength: number): Entry {
  const fail = (rule: string, received: Record<string, unknown>, fix = ""): never => {
    throw new FormatError(where, `${label(name)}: ${rule}`, received, fix);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fail("must be an object with dtype, shape and data_offsets", { entry: Array.isArray(value) ? "a list" : String(value) });
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  const type = itemTypes.find((item) => item.name === dtype);
  if (type === undefined) {
    return fail(
      `dtype must be one of ${itemTypes.map((item) => item.name).join(", ")}`,
      { dtype: typeof dtype === "string" ? dtype.slice(0, 40) : typeof dtype },
      "Convert the file.",
    );
  }
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    return fail("shape must be a list of non-negative integers", { shape: excerpt(shape) });
  }
  const dataLength = fileLength - start;
  if (
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every((offset) => Number.isSafeInteger(offset) && offset >= 0) ||
    offsets[0] > offsets[1] ||
    offsets[1] > dataLength
  ) {
    return fail(
      "data_offsets must be [begin, end] within the data",
      { data_offsets: excerpt(offsets), "bytes of data": dataLength },
      "Is the file whole?",
    );
  }
  const [begin, end] = offsets as [number, number];
  const empty = (shape as number[]).includes(0);
  let bytes: number = empty ? 0 : type.bytes;
  // Stop before the product loses digits: beyond the data it is wrong anyway.
  if (!empty) for (const length of shape as number[]) bytes = Math.min(bytes * length, Number.MAX_SAFE_INTEGER);
  if (bytes !== end - begin) {
    return fail("shape times width must be the length between the data_offsets", {
      dtype,
      shape: excerpt(shape),
      data_offsets: [begin, end],
      "bytes expected": bytes === Number.MAX_SAFE_INTEGER ? "too many" : bytes,
    });
  }
  return { name, type, shape: shape as number[], begin: start + begin, end: start + end };
}

function excerpt(value: unknown): unknown {
  if (!Array.isArray(value)) return typeof value;
  return value.slice(0, 16).map((item) => (typeof item === "number" ? item : typeof item));
}
