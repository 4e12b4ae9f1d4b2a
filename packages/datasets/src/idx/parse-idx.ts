import { FormatError } from "@heed/tensor";

/** The numbers of an IDX file, in the byte order of this machine. */
export interface IdxArray {
  readonly dtype: "uint8" | "int8" | "int16" | "int32" | "float32" | "float64";
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/** What an IDX header says: the type and lengths of what follows, and where that begins. */
export interface IdxHeader extends Omit<IdxArray, "data"> {
  readonly dataOffset: number;
  /** Length of the whole file that such a header promises. */
  readonly totalBytes: number;
}

interface Kind {
  readonly dtype: IdxArray["dtype"];
  readonly size: number;
  readonly make: (length: number) => IdxArray["data"];
  readonly read: (view: DataView, at: number) => number;
}

function kindOf(code: number): Kind | undefined {
  switch (code) {
    case 0x08:
      return { dtype: "uint8", size: 1, make: (n) => new Uint8Array(n), read: (v, at) => v.getUint8(at) };
    case 0x09:
      return { dtype: "int8", size: 1, make: (n) => new Int8Array(n), read: (v, at) => v.getInt8(at) };
    case 0x0b:
      return { dtype: "int16", size: 2, make: (n) => new Int16Array(n), read: (v, at) => v.getInt16(at) };
    case 0x0c:
      return { dtype: "int32", size: 4, make: (n) => new Int32Array(n), read: (v, at) => v.getInt32(at) };
    case 0x0d:
      return { dtype: "float32", size: 4, make: (n) => new Float32Array(n), read: (v, at) => v.getFloat32(at) };
    case 0x0e:
      return { dtype: "float64", size: 8, make: (n) => new Float64Array(n), read: (v, at) => v.getFloat64(at) };
    default:
      return undefined;
  }
}

/** More dimensions than any published file has; a header stays within 36 bytes. */
const maxRank = 8;

/**
 * The header of an IDX file, or `undefined` when `bytes` are its beginning but not yet all of it.
 *
 * @param name what to call the file in an error
 * @throws {FormatError} when the magic number, the type or a length is not one.
 */
export function parseIdxHeader(bytes: Uint8Array, name?: string): IdxHeader | undefined {
  const file = name === undefined ? {} : { file: name };
  if (bytes.length >= 2 && (bytes[0] !== 0 || bytes[1] !== 0)) {
    throw new FormatError(
      "readIdx",
      "an IDX file begins with two zero bytes",
      { ...file, bytes: bytes.subarray(0, 4) },
      "Is this the right file?",
    );
  }
  if (bytes.length < 4) return undefined;
  const kind = kindOf(bytes[2]);
  const rank = bytes[3];
  if (kind === undefined) {
    const known = "0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e";
    throw new FormatError(
      "readIdx",
      `the third byte of an IDX file is its type, ${known}`,
      { ...file, type: `0x${bytes[2].toString(16).padStart(2, "0")}` },
      "Is this the right file?",
    );
  }
  if (rank < 1 || rank > maxRank) {
    throw new FormatError(
      "readIdx",
      `the fourth byte of an IDX file is its number of dimensions, 1 to ${maxRank}`,
      { ...file, dimensions: rank },
      "Is this the right file?",
    );
  }
  const dataOffset = 4 + 4 * rank;
  if (bytes.length < dataOffset) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const totalBytes = shape.reduce((product, length) => product * length, kind.size) + dataOffset;
  if (totalBytes > Number.MAX_SAFE_INTEGER) {
    throw new FormatError(
      "readIdx",
      "the lengths in the header are beyond any file",
      { ...file, shape },
      "The file is damaged: get it again.",
    );
  }
  return { dtype: kind.dtype, shape, dataOffset, totalBytes };
}

/**
 * Reads the bytes of an IDX file (the format of MNIST, Fashion-MNIST and EMNIST) that is not compressed; `readIdx` takes gzip too.
 *
 * Lengths are checked against the bytes present before anything is allocated. `uint8` data are a view of `bytes`, the rest a copy.
 *
 * @param options.name what to call the file in an error
 * @throws {FormatError} when the header is wrong, or promises fewer or more bytes than there are.
 *
 * Time O(bytes), O(1) for `uint8`.
 * @see http://yann.lecun.com/exdb/mnist/, "The IDX file format"
 */
export function parseIdx(bytes: Uint8Array, options: { name?: string } = {}): IdxArray {
  const file = options.name === undefined ? {} : { file: options.name };
  const header = parseIdxHeader(bytes, options.name);
  if (header === undefined) {
    throw new FormatError("readIdx", "the file ends within its header", { ...file, bytes: bytes.length }, "Get the file again.");
  }
  const { dtype, shape, dataOffset, totalBytes } = header;
  if (totalBytes !== bytes.length) {
    const rule = totalBytes > bytes.length ? "the file is shorter than its header promises" : "the file is longer than its header promises";
    throw new FormatError("readIdx", rule, { ...file, shape, promised: totalBytes, bytes: bytes.length }, "Get the file again.");
  }
  if (dtype === "uint8") return { dtype, shape, data: bytes.subarray(dataOffset) };

  const kind = kindOf(bytes[2])!;
  const data = kind.make((totalBytes - dataOffset) / kind.size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < data.length; i++) data[i] = kind.read(view, dataOffset + i * kind.size); // big-endian, as the format says
  return { dtype, shape, data };
}
